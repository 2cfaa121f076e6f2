#pragma once

#include <algorithm>
#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>

namespace martlet::model {

inline constexpr std::size_t max_threads = 6;
inline constexpr std::size_t max_locations = 128;

/// A place in the modification order of a location, or how many steps a thread has made. Signed and short, so that a
/// join is a few vector instructions.
using place = std::int16_t;
inline constexpr place no_place_is_past = INT16_MAX;

/// For each location the newest store that is known.
using places = std::array<place, max_locations>;

using location_set = std::bitset<max_locations>;

template <std::size_t N>
void raise(std::array<place, N>& to, const std::array<place, N>& by) noexcept {
  for (std::size_t i = 0; i < N; ++i) {
    to[i] = std::max(to[i], by[i]);
  }
}

/// What a thread knows, or what a store tells who acquires it: the steps of each thread that happen before (a vector
/// clock), and the stores that are not to be overlooked any more.
struct view {
  std::array<place, max_threads> steps{};
  places stores{};

  void join(const view& other) noexcept {
    raise(steps, other.steps);
    raise(stores, other.stores);
  }
};

}  // namespace martlet::model
