#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <string>

#include <martlet/scheduler/simulation.hpp>

namespace martlet {

/// How `explore` searches.
struct exploration_options {
  std::uint64_t schedules = 10'000;  // tries, until one fails
  std::uint64_t first_seed = 1;

  /// After how many turns one run counts as endless, and so as failed.
  std::uint64_t most_steps = 1'000'000;

  /// How many runs may be spent on making the schedule that failed shorter.
  std::uint64_t shrinking = 2'000;
};

/// What `explore` has found.
struct exploration {
  struct failure {
    std::exception_ptr error;  // what the program threw, deadlock, or what nobody joined
    std::string what;          // and what that says
    std::uint64_t seed;
    strategy order;
    schedule found;   // the schedule that failed
    schedule shrunk;  // one that fails alike, and is no longer
    bool repeats;     // it did so once more; else the program depends on something besides its schedule
  };

  std::uint64_t schedules = 0;  // that were tried
  std::optional<failure> failed;

  /// Returns   what failed and how to run it again, or that nothing did: for a person.
  std::string text() const;
};

/// Runs a program under many schedules, until one of them makes it fail, and looks for a short schedule that does.
///
/// It fails when it throws, when a tasklet throws what nobody joins, in a deadlock, when it takes too many turns, and when
/// something is left that does not end within a second though it is cancelled; what never ends stops the whole search, with a
/// report that has the schedule. In a deadlock, and after too many turns, the tasklets are cancelled and end before the
/// program hears of it, so that they may use what it made. Half of the schedules are uniformly random, half by priorities
/// with few changes (`strategy::pct`, of depth 2 to 4). The failure is also written to stderr, with the schedule that shows
/// it again.
///
/// ```cpp
/// const auto found = martlet::explore([](martlet::scheduler& pool) {
///   int balance = 0;
///   pool.block_on(deposit_twice(balance));
///   if (balance != 2) {
///     throw std::runtime_error("a deposit was lost");
///   }
/// });
/// ```
///
/// Takes     a program that makes all that it uses itself: it is run many times, each in a simulation of its own.
/// Throws    misuse as `simulation` does.
/// Threads   a plain one; the program runs there.
/// Cost      some 50 us a schedule, and its turns.
exploration explore(const std::function<void(simulation&)>& program, const exploration_options& options = {});

}  // namespace martlet
