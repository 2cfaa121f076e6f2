#include <martlet/base/clock.hpp>

#include <algorithm>

namespace martlet::base {

instant now() noexcept {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

std::uint64_t cycles_per_microsecond() noexcept {
  static const std::uint64_t rate = [] {
    const instant start = now();
    const std::uint64_t from = cycles();
    while (now() - start < 200'000) {}
    const std::uint64_t passed = cycles() - from;
    const auto span = static_cast<std::uint64_t>(now() - start);
    return std::max<std::uint64_t>(1, passed * 1000 / span);
  }();
  return rate;
}

}  // namespace martlet::base
