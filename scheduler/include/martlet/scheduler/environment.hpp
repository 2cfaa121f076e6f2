#pragma once

#include <martlet/base/clock.hpp>

namespace martlet::detail {

/// What happens around the tasklets of a simulation by itself, each thing at its time: a network.
///
/// Threads   the simulation's.
class environment {
 public:
  virtual ~environment() = default;

  /// Returns   when the next thing happens; `never` when nothing does, unless a tasklet begins it.
  virtual base::instant next() const noexcept = 0;

  /// Lets everything happen that is due by now.
  virtual void move_on() = 0;
};

}  // namespace martlet::detail
