#pragma once

namespace martlet::base {

/// Where a thread's own stack lies, and the guard below it.
struct thread_stack {
  const void* guard = nullptr;  // the lowest byte of the guard; null when the system does not tell
  const void* low = nullptr;    // of what may be used: what is below, down to `guard`, faults
  const void* high = nullptr;

  /// Returns   whether an access to `address` was one beyond the end of this stack.
  bool overflows_at(const void* address) const noexcept { return address >= guard && address < low; }

  /// Returns   the calling thread's. For threads that were started with pthread_create, the main thread's grows.
  /// Cost      some microseconds, and memory meanwhile.
  static thread_stack here() noexcept;
};

}  // namespace martlet::base
