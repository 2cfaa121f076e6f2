#pragma once

#include <memory>

#include <martlet/base/clock.hpp>
#include <martlet/scheduler/guest.hpp>
#include <martlet/scheduler/shutdown.hpp>
#include <martlet/scheduler/statistics.hpp>
#include <martlet/tasklet/host.hpp>
#include <martlet/tasklet/tasklet.hpp>

#include "population.hpp"

namespace martlet::detail {

class side_pool;

/// A way to run what is ready: which tasklet is next, on which thread, and what a thread does when there is none.
///
/// The scheduler's front knows only this. `stealing` is the product, `seeded` a simulation; an ordered ring could be another,
/// and the program does not change with them.
class run_queue : public executor {
 public:
  /// Takes     how many tasklets there may be at once; 0: any number.
  explicit run_queue(std::uint64_t most_tasklets) noexcept : population_(most_tasklets) {}
  run_queue(const run_queue&) = delete;
  run_queue& operator=(const run_queue&) = delete;
  virtual ~run_queue() = default;

  population& tasklets() noexcept { return population_; }

  /// Returns   whether what is queued waits for longer than the scheduler's limit.
  virtual bool is_overloaded() noexcept = 0;

  /// Enters a tasklet that has not started, on one of its own hosts, the caller's.
  virtual void spawn(tasklet* who, host& here) = 0;
  virtual void spawn_from_outside(tasklet* who) = 0;

  /// Stand around what somebody does who comes from outside, from before `admit` until what he brings has been entered.
  virtual void begin_visit() noexcept = 0;
  virtual void end_visit() noexcept = 0;

  /// Throws `misuse` when what comes from outside is not accepted any more.
  virtual void admit() const = 0;

  /// Throws `misuse`, in the name of `what`, in a child of fork: none of its threads are here.
  virtual void require_own_process(const char* what) const = 0;
  virtual bool is_of_own_process() const noexcept = 0;

  /// Runs tasklets on the calling thread, which is no worker, until `who` has ended.
  virtual void run_until(tasklet* who) = 0;

  /// Makes the calling thread a worker that runs tasklets when it is asked to.
  virtual std::unique_ptr<guest_seat> seat_guest() = 0;

  /// Accepts nothing more from outside, and cancels every tasklet.
  virtual void stop() = 0;

  /// The same with time: lets tasklets end by themselves until `deadline`, cancels the others, and waits for these for
  /// `grace`.
  virtual shutdown_report shutdown(base::instant deadline, std::chrono::nanoseconds grace) = 0;

  /// Cancels every tasklet, waits until all have ended, and ends the threads.
  virtual void drain() noexcept = 0;

  /// Say that a scope object has its first child, and that it has none any more. What ends with its tasklet needs no telling.
  ///
  /// Threads   that which begins, and which ends, the child.
  virtual void scope_filled() noexcept {}
  virtual void scope_emptied() noexcept {}

  /// Returns   a host that a new tasklet may name before it has run anywhere.
  virtual host& some_host() noexcept = 0;

  /// Says that a timer was armed at `keeper`, one of its hosts, by somebody else.
  virtual void look_at_timers_of(host& keeper) noexcept = 0;

  /// For one of its hosts: held_worker.hpp.
  virtual std::uint64_t turns_of(const host& there) const noexcept = 0;
  virtual void look_after(host& held) noexcept = 0;

  /// Returns   the threads that make the blocking calls of its tasklets.
  virtual side_pool& side() noexcept = 0;

  virtual unsigned width() const noexcept = 0;
  virtual scheduler_statistics statistics() const noexcept = 0;

 private:
  population population_;
};

}  // namespace martlet::detail
