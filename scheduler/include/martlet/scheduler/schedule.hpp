#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace martlet {

/// Which tasklet a simulation ran at each step: what has to be known to run the same once more.
///
/// Only the steps are listed that leave the *plain order*, in which a tasklet goes on until it waits, and then the one comes
/// that has been ready for longest (who has had 100 turns in a row goes behind the others). So a short schedule has few
/// switches that matter, and an empty one is the plain order.
struct schedule {
  struct choice {
    std::uint64_t step;     // counted from 0
    std::uint64_t tasklet;  // its number: the first one spawned is 1

    friend bool operator==(const choice&, const choice&) noexcept = default;
  };

  std::uint64_t seed = 1;       // of what else is random: the cases of a select that are ready, a simulated network
  std::vector<choice> choices;  // by step

  /// Returns   one line that `parse` understands: "7: 12=3 57=1" is seed 7, tasklet 3 at step 12 and 1 at step 57.
  std::string text() const;

  /// Throws    misuse that says what was expected where.
  static schedule parse(std::string_view text);

  friend bool operator==(const schedule&, const schedule&) noexcept = default;
};

}  // namespace martlet
