#pragma once

#include "stealing.hpp"

namespace martlet::detail {

/// The stealing run queue with the worst luck: whoever is woken or yields goes on on another worker, unless it is pinned.
///
/// For tests: what breaks when a tasklet changes thread breaks here at the first wait, not once in a million.
class migrating final : public stealing {
 public:
  explicit migrating(const scheduler_options& options) : stealing(options, look_each_time) {}

  void ready(tasklet* who, tasklet* root, host* here, turn when) noexcept override;

 private:
  tasklet* take_first(worker& w) override;

  // A worker that looks around before each tasklet takes no short cut (a hand-off, a rotation) past `ready`.
  static constexpr std::uint32_t look_each_time = 1;
};

}  // namespace martlet::detail
