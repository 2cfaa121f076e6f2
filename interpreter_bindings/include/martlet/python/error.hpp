#pragma once

#include <martlet/python/reference.hpp>

#include <memory>
#include <stdexcept>

namespace martlet::python {

/// Carries what Python raised through C++. Those of martlet's own family (Cancelled, ChannelClosed, DeadlinePassed, Misuse) are
/// thrown as C++'s twins of them instead.
class error : public std::runtime_error {
 public:
  /// Takes     the exception, an object; the text is "its type: what it says". Of an attached thread.
  explicit error(reference exception);

  /// Returns   the name of its type: "ValueError".
  const char* type() const noexcept;

  /// Returns   the exception itself, borrowed: with its traceback.
  PyObject* exception() const noexcept { return exception_->get(); }

 private:
  std::shared_ptr<const reference> exception_;
};

/// Throws in C++ what Python has raised on this thread, where it is no longer raised then.
///
/// For calls of CPython's that say by a number or a null pointer that something is raised.
[[noreturn]] void throw_raised();

}  // namespace martlet::python
