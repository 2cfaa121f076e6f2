#pragma once

#include <chrono>
#include <memory>

namespace martlet {

class scheduler;

/// How much one `guest::poll` may do: it returns when either has been used up.
struct poll_budget {
  unsigned turns = 256;                                            // times a tasklet is run
  std::chrono::nanoseconds time = std::chrono::microseconds(500);  // looked at between two turns, at growing distances
};

namespace detail {

/// The place of a guest among the workers; the run queue's half of `guest`.
class guest_seat {
 public:
  virtual ~guest_seat() = default;
  virtual int descriptor() const noexcept = 0;
  virtual bool poll(const poll_budget& most) = 0;
};

}  // namespace detail

/// Lets an event loop that is there already drive a scheduler, on the loop's own thread.
///
/// The loop watches `event_fd()` like any other descriptor and calls `poll()` when it is readable: that runs tasklets
/// for a while and never sleeps. Timers and sockets of tasklets make the descriptor readable too. With
/// `scheduler_options{.workers = 0}` all tasklets run in the loop's turns, one at a time, beside its callbacks; with
/// workers the guest is one more of them. Not for a thread that has nothing else to do: that is `scheduler::run_here`.
///
/// ```cpp
/// martlet::scheduler pool({.workers = 0});
/// martlet::guest guest(pool);
/// epoll_event event{.events = EPOLLIN, .data = {.fd = guest.event_fd()}};
/// epoll_ctl(loop, EPOLL_CTL_ADD, guest.event_fd(), &event);
/// ...
/// if (epoll_wait(loop, &event, 1, -1) == 1 && event.data.fd == guest.event_fd()) {
///   guest.poll();                    // level-triggered: told again when more is ready
/// }
/// ```
///
/// Between two polls the thread is a plain one: what waits there with `martlet::await` or `block_on` blocks the loop,
/// and with it all that only the loop could run. Spawn a tasklet instead.
///
/// Threads   the one that made it, for everything but `event_fd`; the scheduler must outlive it.
class guest {
 public:
  /// Takes a place among `scheduler_options::lent_threads`.
  ///
  /// Throws    misuse when none is free, or on a thread that runs tasklets; std::system_error when the descriptors (an
  ///           epoll, a timerfd, an eventfd) cannot be made.
  explicit guest(scheduler& pool);

  /// Gives the place back. What was ready here goes to the other workers; without any it waits for the next guest,
  /// `run_here` or the scheduler's end.
  ~guest();
  guest(const guest&) = delete;
  guest& operator=(const guest&) = delete;

  /// Returns   a descriptor that is readable whenever `poll` has something to do; readable at first. Watch it
  ///           level-triggered, do not read it or close it. The same for the guest's whole life.
  int event_fd() const noexcept { return seat_->descriptor(); }

  /// Runs what is ready, on the calling thread, and never sleeps. A tasklet is never interrupted: one long turn takes as
  /// long as it takes.
  ///
  /// Returns   whether more is ready; the descriptor is readable then. When it is not, it becomes so later.
  /// Throws    misuse inside a tasklet, and on another thread than the guest's.
  /// Cost      about a microsecond, and the turns.
  bool poll(poll_budget most = {}) { return seat_->poll(most); }

 private:
  std::unique_ptr<detail::guest_seat> seat_;
};

}  // namespace martlet
