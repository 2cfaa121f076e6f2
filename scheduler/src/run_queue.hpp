#pragma once

#include <martlet/scheduler/statistics.hpp>
#include <martlet/tasklet/host.hpp>
#include <martlet/tasklet/tasklet.hpp>

namespace martlet::detail {

class side_pool;

/// A way to run what is ready: which tasklet is next, on which thread, and what a thread does when there is none.
///
/// The scheduler's front knows only this. `stealing` is the product; a seeded single-threaded queue and an ordered ring
/// are others, and the program does not change with them.
class run_queue : public executor {
 public:
  virtual ~run_queue() = default;

  /// Enters a tasklet that has not started. `here` is the caller's host, null on a foreign thread.
  virtual void spawn(tasklet* who, host* here) = 0;

  /// Runs tasklets on the calling thread, which is no worker, until `who` has ended.
  virtual void run_until(tasklet* who) = 0;

  /// Cancels every tasklet, waits until all have ended, and ends the threads.
  virtual void drain() noexcept = 0;

  /// Returns   a host that a new tasklet may name before it has run anywhere.
  virtual host& some_host() noexcept = 0;

  /// Returns   the threads that make the blocking calls of its tasklets.
  virtual side_pool& side() noexcept = 0;

  virtual unsigned width() const noexcept = 0;
  virtual scheduler_statistics statistics() const noexcept = 0;
};

}  // namespace martlet::detail
