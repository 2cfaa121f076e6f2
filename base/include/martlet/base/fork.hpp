#pragma once

#include <cstdint>

#include <martlet/base/atomic.hpp>

/// What becomes of the process-wide state when the process forks.
///
/// A child of `fork` has one thread, and a copy of what all the others were doing. So whatever is one for the process
/// and guarded by a lock registers a *hook* here: its lock is taken before the fork and let go of after it, on both
/// sides, so that the copy is whole; other threads that want it wait for as long as the fork takes. What belongs to one process (a scheduler with its threads) notes
/// `process_generation()` when it is made and compares it later.
namespace martlet::base {

/// What one room does about a fork. Make it a constant-initialised static.
///
/// Threads   all three are called on the thread that forks.
struct fork_hook {
  int order;                     // hooks are called in this order before the fork, and in the other one after it
  void (*before)() noexcept;     // takes the locks
  void (*in_parent)() noexcept;  // lets go of them
  void (*in_child)() noexcept;   // the same, and puts right what only the parent's threads could have
  fork_hook* next = nullptr;
  atomic<bool> is_registered{false};
};

/// Registers a hook, once. Cost: one load when it is registered already.
void register_fork_hook_slowly(fork_hook& hook) noexcept;
inline void register_fork_hook(fork_hook& hook) noexcept {
  if (!hook.is_registered.load(acquire)) [[unlikely]] {  // [fork.register]
    register_fork_hook_slowly(hook);
  }
}

/// Tells a process from its children of fork, and these from theirs.
///
/// Returns   a number that is another one after each fork, in the child; the first process has 1.
/// Threads   any.
/// Cost      two loads. The number lies in a page that the kernel wipes in a child, however the child was made.
std::uint32_t process_generation() noexcept;

/// Returns   whether this process is a child of one that used martlet before the fork.
inline bool is_child_of_fork() noexcept { return process_generation() != 1; }

/// Returns   whether the process has no thread but the caller; false when the system does not tell.
///
/// Cost      some microseconds: a look into /proc.
bool is_only_thread() noexcept;

}  // namespace martlet::base
