#pragma once

#include <csignal>

namespace martlet::base {

/// Keeps asynchronous signals from this thread while it lives, and for good from threads that are started meanwhile.
///
/// Stand it around the start of a thread of martlet's own: what is sent to the process then arrives on a thread of the
/// program. Left as they are: SIGPROF, with which profilers sample each thread, and the signals of faults, which end the
/// process when they are blocked.
///
///     const base::signals_blocked quiet;
///     threads.emplace_back(work);   // begins with the signals blocked, so there is no moment without
///
/// Threads   ends on the thread on which it began.
/// Cost      two system calls.
class signals_blocked {
 public:
  signals_blocked() noexcept;
  signals_blocked(const signals_blocked&) = delete;
  signals_blocked& operator=(const signals_blocked&) = delete;
  ~signals_blocked();

 private:
  sigset_t before_;
};

}  // namespace martlet::base
