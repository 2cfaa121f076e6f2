#pragma once

#include <cstdint>
#include <initializer_list>
#include <random>

namespace martlet::testing {

/// Draws the same from the same seed, with every compiler.
class dice {
 public:
  explicit dice(std::uint64_t seed) : next_(seed) {}

  /// Returns   a number from 0 to `count` - 1.
  int below(int count) { return static_cast<int>(next_() % static_cast<std::uint64_t>(count)); }
  int between(int least, int most) { return least + below(most - least + 1); }
  bool one_in(int count) { return below(count) == 0; }

  template <class T>
  T one_of(std::initializer_list<T> all) {
    return all.begin()[below(static_cast<int>(all.size()))];
  }

 private:
  std::mt19937_64 next_;
};

}  // namespace martlet::testing
