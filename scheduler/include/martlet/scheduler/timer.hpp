#pragma once

#include <cstdint>

#include <martlet/base/clock.hpp>
#include <martlet/tasklet/wait.hpp>

namespace martlet::detail {

class timer_wheel;

/// A wait for a time: a node in the wheel of the worker that its tasklet ran on.
struct timer_node : wait_node {
  base::instant due = 0;
  timer_wheel* wheel = nullptr;
  std::uint16_t level = 0;
  std::uint16_t slot = 0;
};

/// Enters a timer for a wait that will be marked as a select.
///
/// Returns   its wheel, locked: unlock it once the wait is marked, or the timer could fire too soon. Null for a thread that
///           waits, which keeps the time itself.
[[nodiscard]] wait_core* arm_timer(timer_node& node) noexcept;

/// Takes it out again, fired or not.
void disarm_timer(timer_node& node) noexcept;

}  // namespace martlet::detail
