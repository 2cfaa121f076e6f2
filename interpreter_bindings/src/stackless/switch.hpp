#pragma once

#include "schedule.hpp"

namespace martlet::python::stackless {

/// Switches to `next`, which is in the chain: or a soft interrupt puts whoever called `run` before it. The rest is as in `schedule`.
outcome switch_to(thread& here, tasklet& from, tasklet* next, object& result);

/// A soft interrupt takes place where a tasklet switches by itself: whoever called `run` goes on, before the one that would have.
///
/// Returns   who goes on.
tasklet* interrupt_softly(thread& here, tasklet& from, tasklet* next, bool keeps_order);

/// Does the last steps before a switch, in which Python may run: tells the callback, and makes the next tasklet able to go on.
///
/// Returns   the one that goes on, null with an exception set.
tasklet* prepare(thread& here, tasklet& from, tasklet* next);

/// Drops what had to live until the switch was over. That may run anything, and switch.
void settle(thread& here) noexcept;

/// Marks the time in which the thread has no current tasklet: Python that runs meanwhile finds the one that waits.
class waiting {
 public:
  waiting(thread& here, tasklet& who) noexcept : here_(here) { here.waiting = &who; }
  waiting(const waiting&) = delete;
  waiting& operator=(const waiting&) = delete;
  ~waiting() { here_.waiting = nullptr; }

 private:
  thread& here_;
};

}  // namespace martlet::python::stackless
