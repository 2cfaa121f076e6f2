#pragma once

#include <cstddef>

namespace martlet::base {

/// Gives the calling thread an alternate signal stack, on which it can say that its own has overflowed.
///
/// A stack that the thread has already is kept when it is large enough. Nothing tells when there is no memory for one:
/// then the kernel ends the process without calling a handler, as it does on any thread without such a stack.
///
///     base::signal_stack here;   // until the end of the block; then the thread has what it had before
///
/// Several on one thread share one, until the last of them goes.
///
/// Threads   make and destroy it on one thread.
/// Cost      a system call where the thread has one, else three and a page that is touched.
class signal_stack {
 public:
  signal_stack() noexcept;
  signal_stack(const signal_stack&) = delete;
  signal_stack& operator=(const signal_stack&) = delete;
  ~signal_stack();

  /// Returns   how many bytes a thread's own one must have to be kept.
  static std::size_t least_bytes() noexcept;

 private:
  struct shared;

  shared* mine_ = nullptr;  // null: the thread has kept its own
};

}  // namespace martlet::base
