#pragma once

#include <martlet/base/atomic.hpp>
#include <martlet/base/current.hpp>
#include <martlet/tasklet/host.hpp>
#include <martlet/tasklet/wait.hpp>

#include "checker/explore.hpp"
#include "checker/var.hpp"

/// Tasklets without a scheduler: each is a model thread, which sleeps until it is made ready.
namespace martlet::model {

struct sleeper;

/// Makes sleepers ready.
class crew final : public detail::executor {
 public:
  inline void ready(detail::tasklet*, detail::tasklet* root, detail::host*, detail::turn) noexcept override;
  detail::tasklet* rotate(detail::tasklet*, detail::tasklet*, detail::host&) noexcept override { return nullptr; }
};

struct sleeper : detail::tasklet {
  explicit sleeper(crew& of) : tasklet(detail::kind::coroutine, on_stack{}), seat(&of) {
    host_.store(&seat, base::relaxed);
    seat.current_.store(this, base::relaxed);
  }

  /// Lets martlet know that the thread which calls this runs it.
  void sit_down() { base::set_current(&seat); }

  /// Says, after the last thread, that each of its waits was ended once.
  void end() const { require(times_ready.load(base::relaxed) == waits, "a wait is ended once"); }

  detail::host seat;  // what it runs on, alone
  var<int> frame;     // what it has done is known to whoever resumes it, and to itself afterwards
  base::atomic<int> times_ready{0};
  int waits = 0;  // that it has slept in
};

void crew::ready(detail::tasklet*, detail::tasklet* root, detail::host*, detail::turn) noexcept {
  // Who takes it out of a queue resumes it, and a queue hands on what was known before.
  auto& self = *static_cast<sleeper*>(root);
  self.frame.set(self.frame.get() + 1);
  self.times_ready.fetch_add(1, base::release);
}

/// Waits, on the thread of `self`.
///
/// Returns   what the operation gives. Throws what it throws.
template <class Operation>
auto wait(sleeper& self, Operation&& operation) {
  self.frame.set(self.frame.get() + 1);
  if (operation.prepare(&self) && operation.publish()) {
    ++self.waits;
    while (self.times_ready.load(base::acquire) < self.waits) {
      base::cpu_pause();
    }
  }
  self.frame.set(self.frame.get() + 1);
  return operation.finish();
}

}  // namespace martlet::model
