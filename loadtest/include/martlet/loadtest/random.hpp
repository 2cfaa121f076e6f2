#pragma once

#include <cstdint>

namespace martlet::loadtest {

/// Draws a user's random numbers from the scenario's seed and the user's number alone, so that a user decides the same on
/// any worker and, one day, on any node. Eight bytes, because there may be millions of users.
///
/// When      not for secrets.
/// Source    SplitMix64 (Steele, Lea and Flood, 2014), with the constants of Stafford's mix 13
class user_random {
 public:
  user_random(std::uint64_t seed, std::uint64_t user) noexcept : state_(mixed(mixed(seed + step) + user * step)) {}

  std::uint64_t next() noexcept { return mixed(state_ += step); }

  /// Gives a number in (0, 1]: a multiple of 2^-53, never 0, so that its logarithm is finite.
  double unit() noexcept { return static_cast<double>((next() >> 11) + 1) * 0x1.0p-53; }

 private:
  static constexpr std::uint64_t step = 0x9e3779b97f4a7c15;  // 2^64 divided by the golden ratio

  static constexpr std::uint64_t mixed(std::uint64_t bits) noexcept {
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111eb;
    return bits ^ (bits >> 31);
  }

  std::uint64_t state_;
};

}  // namespace martlet::loadtest
