#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <optional>

#include <martlet/scheduler/simulation_options.hpp>
#include <martlet/tasklet/site.hpp>

namespace martlet {

/// How a scheduler is set up. The defaults are for a machine of one's own.
struct scheduler_options {
  static constexpr int most_threads = 4096;  // of each kind

  /// Threads that run tasklets, 4,096 at most; -1 means what MARTLET_WORKERS in the environment says, and else one per processor that this
  /// process may use. 0 leaves all the work to threads that call `run_here`, and to guests.
  int workers = -1;

  /// Keeps each worker on a processor of its own: first one on each core, then on their second hardware threads, those near
  /// to each other together. A worker that has nothing to do then looks at its neighbours' work first. For a process that
  /// has its processors to itself: a pinned worker waits for its own, though another may be free.
  bool pin_workers = false;

  /// How many threads may be inside `run_here` at once, guests among them; 4,096 at most.
  int lent_threads = 4;

  /// How many tasklets there may be at once; 0 means any number. Beyond it `spawn` throws `overloaded` and `try_spawn` refuses.
  std::uint64_t most_tasklets = 0;

  /// How long what is queued may wait before `try_spawn` turns new work away; 0 means for ever. Early is cheap: a request
  /// that is refused at once can go elsewhere, one that waits in a queue for longer than its sender is work for nothing.
  std::chrono::nanoseconds longest_queue_wait = std::chrono::nanoseconds::zero();

  /// How long a worker that ran out of work looks for more before it sleeps, at most: it looks for less after searches in
  /// vain. A sleeping worker needs 20-37 us to wake.
  std::chrono::nanoseconds spin = std::chrono::microseconds(40);

  /// For tests: whoever is woken or yields goes on on another thread, unless it is pinned. What a tasklet wrongly keeps of a
  /// thread is then found at its first wait. MARTLET_MIGRATE=always in the environment does the same.
  bool migrate_always = false;

  /// Makes it a simulation: everything runs on the calling thread, in an order that a seed chooses, in virtual time
  /// (simulation.hpp). What is said here of threads and of waiting for work has no meaning then.
  std::optional<simulation_options> simulation = {};

  /// How many threads may be inside functions given to `blocking` at once; they are started when they are needed.
  int blocking_threads = 64;

  /// How long such a thread waits for the next function before it ends.
  std::chrono::nanoseconds blocking_idle = std::chrono::seconds(5);

  /// Says on stderr which tasklet it was when one overflows its stack, before the process dies of it. Handles SIGSEGV and
  /// SIGBUS for the whole process, once and for good, and passes every other fault on to whoever handled it before; a
  /// handler of your own is installed before the first scheduler, or passes on what is not its own.
  bool report_overflow = true;

  /// Is told of a failure that nobody can join any more. Null: one line on stderr with the place of the spawn.
  std::function<void(const std::exception_ptr& error, site spawned_at)> on_unhandled = {};

  /// Runs on each worker before its first tasklet and after its last, for what such a thread needs. Neither may throw; the
  /// latter may not spawn.
  std::function<void()> on_worker_start = {};
  std::function<void()> on_worker_stop = {};
};

}  // namespace martlet
