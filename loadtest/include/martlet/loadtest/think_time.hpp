#pragma once

#include <martlet/loadtest/random.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>

namespace martlet::loadtest {

/// How long a user waits between an answer and its next request.
struct think_time_distribution {
  enum class shape { constant, uniform, exponential };

  shape kind = shape::constant;
  std::chrono::nanoseconds low{0};      // constant: the value; uniform: the least
  std::chrono::nanoseconds high{0};     // uniform: the most
  std::chrono::nanoseconds average{0};  // exponential: the mean

  /// Draws one think time. An exponential one can be long, but never more than 37 times its mean, because `unit` is never
  /// nearer to 0 than 2^-53.
  std::chrono::nanoseconds draw(user_random& random) const noexcept {
    switch (kind) {
      case shape::constant: break;
      case shape::uniform: {
        const auto width = static_cast<double>((high - low).count()) + 1;
        const auto step = static_cast<std::chrono::nanoseconds::rep>(random.unit() * width);
        return std::min(low + std::chrono::nanoseconds(step), high);
      }
      case shape::exponential:
        return std::chrono::nanoseconds(static_cast<std::chrono::nanoseconds::rep>(
            -std::log(random.unit()) * static_cast<double>(average.count())));
    }
    return low;
  }

  /// Gives the mean of what `draw` draws.
  std::chrono::nanoseconds mean() const noexcept {
    switch (kind) {
      case shape::constant: break;
      case shape::uniform: return low + (high - low) / 2;
      case shape::exponential: return average;
    }
    return low;
  }
};

}  // namespace martlet::loadtest
