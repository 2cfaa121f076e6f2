#pragma once

#include <exception>

#include <unistd.h>

namespace martlet::python::stackless {

/// Stands around a call into the interpreter. Before 3.14 that ends a daemon thread which comes back to it when the process ends, by
/// unwinding the thread's stack: which ends at a fiber's first function, and on the way references would be dropped. The thread
/// stands still here instead, as it does from 3.14 on.
class interpreter_call {
 public:
  interpreter_call() noexcept = default;
  interpreter_call(const interpreter_call&) = delete;
  interpreter_call& operator=(const interpreter_call&) = delete;
  ~interpreter_call() {
    while (!has_returned_ && std::uncaught_exceptions() == errors_) {  // no error, and yet it is left
      ::pause();
    }
  }

  void has_returned() noexcept { has_returned_ = true; }

 private:
  int errors_ = std::uncaught_exceptions();
  bool has_returned_ = false;
};

}  // namespace martlet::python::stackless
