#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <utility>

#include "view.hpp"

namespace martlet::model {

/// Chooses threads at random by priorities: of those that can go on the one with the highest makes each step, and at a few
/// random steps the one that is about to go on falls behind all others. An error that needs `most_changes + 1` steps in one
/// order, of n threads and k steps, is found with a probability of 1 / (n * k^most_changes) at least. An even choice at each
/// step finds only what happens while all go on about equally fast.
///
/// Source    Burckhardt, Kothari, Musuvathi, Nagarakatte: A randomized scheduler with probabilistic guarantees of finding
///           bugs. ASPLOS 2010, doi:10.1145/1736020.1736040 (PCT).
class priorities {
 public:
  static constexpr std::size_t most_changes = 4;

  /// Begins an execution. Takes how often a thread falls behind, and within how many steps.
  void begin(std::mt19937_64& random, std::size_t changes, std::size_t steps) {
    for (std::size_t thread = 0; thread < max_threads; ++thread) {
      of_[thread] = static_cast<int>(thread) + 1;
    }
    std::shuffle(of_.begin(), of_.end(), random);
    changes_at_.fill(std::numeric_limits<std::size_t>::max());
    for (std::size_t i = 0; i < changes; ++i) {
      changes_at_[i] = random() % steps;
    }
    step_ = 0;
    lowest_ = 0;
  }

  /// Returns   which of a set of threads goes on.
  std::size_t pick(std::uint32_t from) noexcept {
    const std::size_t now = step_++;
    if (std::find(changes_at_.begin(), changes_at_.end(), now) != changes_at_.end()) {
      of_[highest(from)] = --lowest_;
    }
    return highest(from);
  }

 private:
  std::size_t highest(std::uint32_t from) const noexcept {
    std::size_t best = max_threads;
    for (std::size_t thread = 0; thread < max_threads; ++thread) {
      if (((from >> thread) & 1) != 0 && (best == max_threads || of_[thread] > of_[best])) {
        best = thread;
      }
    }
    return best;
  }

  std::array<int, max_threads> of_{};
  std::array<std::size_t, most_changes> changes_at_{};
  std::size_t step_ = 0;
  int lowest_ = 0;
};

}  // namespace martlet::model
