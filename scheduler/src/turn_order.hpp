#pragma once

#include <cstdint>
#include <memory>

#include <martlet/scheduler/simulation_options.hpp>

#include "ready_set.hpp"

namespace martlet::detail {

/// A moment at which a simulation chooses.
struct crossroads {
  const ready_set& ready;    // not empty
  simulated_tasklet* last;   // who had the last turn; null when it has ended
  simulated_tasklet* plain;  // who comes in the plain order (schedule.hpp)
  std::uint64_t step;
};

/// A strategy of a simulation: who is next. A strategy that was given the same seed and the same crossroads chooses the same.
class turn_order {
 public:
  virtual ~turn_order() = default;

  /// Says that a tasklet was spawned.
  virtual void begin(simulated_tasklet&) {}

  /// Returns   one of those that are ready.
  /// Throws    misuse when the recorded schedule does not fit.
  virtual simulated_tasklet& choose(const crossroads& here) = 0;
};

/// Throws    misuse for options that cannot be.
std::unique_ptr<turn_order> make_turn_order(const simulation_options& options);

}  // namespace martlet::detail
