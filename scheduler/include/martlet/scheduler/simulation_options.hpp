#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include <martlet/scheduler/schedule.hpp>

namespace martlet {

namespace detail {
struct tasklet;
}  // namespace detail

/// How a simulation chooses who is next among the tasklets that are ready.
enum class strategy : std::uint8_t {
  uniform,      // each with the same chance
  pct,          // by priorities that the seed deals out, and that change at a few steps: finds what takes few switches
  round_robin,  // the one that has been ready for longest
  replay,       // as `simulation_options::recorded` says; stops with an error where that cannot be
  follow,       // the same, and passes over what cannot be: for a program that has changed since
};

/// What a simulation's report says of a tasklet besides its number, where it was spawned and what it waits for.
struct tasklet_label {
  std::string name;   // may be empty
  std::string place;  // where it stands
};

/// How a simulation is set up.
struct simulation_options {
  std::uint64_t seed = 1;  // `replay` and `follow` have the recorded schedule's instead
  strategy order = strategy::uniform;

  /// For `pct`: how many switches at chosen moments a bug may take, and about how many steps a run has. One run finds a bug of
  /// depth d among n tasklets and k steps with a chance of at least 1 / (n k^(d-1)).
  ///
  /// Source    Burckhardt, Kothari, Musuvathi, Nagarakatte: A randomized scheduler with probabilistic guarantees of finding
  ///           bugs. ASPLOS 2010, doi:10.1145/1736020.1736040.
  unsigned depth = 3;
  std::uint64_t expected_steps = 1000;

  schedule recorded = {};  // for `replay` and `follow`

  /// How long a tasklet's turn takes on the simulation's clock. More than nothing, so that who polls sees time pass.
  std::chrono::nanoseconds turn = std::chrono::microseconds(1);

  /// After how many turns the run counts as endless and is stopped with an error.
  std::uint64_t most_steps = 100'000'000;

  /// Tells of a tasklet that an interpreter runs (`detail::kind::python`), into which nobody else can look.
  std::function<tasklet_label(detail::tasklet&)> label = {};
};

}  // namespace martlet
