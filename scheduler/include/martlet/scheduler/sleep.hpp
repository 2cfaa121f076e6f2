#pragma once

#include <chrono>

#include <martlet/base/clock.hpp>
#include <martlet/scheduler/deadline.hpp>
#include <martlet/scheduler/timer.hpp>
#include <martlet/tasklet/wait.hpp>

namespace martlet {

namespace detail {

class [[nodiscard("await it")]] sleep_operation final : public operation<sleep_operation> {
 public:
  explicit sleep_operation(base::instant due) noexcept { node_.due = due; }

  bool prepare(waiter who);
  bool publish() noexcept;
  void finish();
  void result() const noexcept {}

  timer_node& timer() noexcept { return node_; }

 private:
  timer_node node_;
};

}  // namespace detail

/// Waits for a time to pass.
///
/// Takes     a duration of any unit; zero or less does not wait.
/// Throws    cancelled.
/// Suspends  until then, never less, seldom more than 0.1 ms longer on an idle machine; resumed by any worker.
/// Cost      no system call; a timer lies in the wait itself.
template <class Rep, class Period>
detail::sleep_operation sleep_for(std::chrono::duration<Rep, Period> time) noexcept {
  return detail::sleep_operation(deadline(time).at());
}

/// Waits until a moment of the steady clock.
inline detail::sleep_operation sleep_until(std::chrono::steady_clock::time_point moment) noexcept {
  return detail::sleep_operation(deadline(moment).at());
}

}  // namespace martlet
