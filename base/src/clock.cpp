#include <martlet/base/clock.hpp>

#include <algorithm>

#include <martlet/base/virtual_time.hpp>

namespace martlet::base {

instant now() noexcept {
  if (const virtual_time* here = virtual_time::here(); here != nullptr) [[unlikely]] {
    return here->now();
  }
  return system_now();
}

instant system_now() noexcept {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

std::uint64_t cycles_per_microsecond() noexcept {
  static const std::uint64_t rate = [] {
    const instant start = system_now();
    const std::uint64_t from = cycles();
    while (system_now() - start < 200'000) {}
    const std::uint64_t passed = cycles() - from;
    const auto span = static_cast<std::uint64_t>(system_now() - start);
    return std::max<std::uint64_t>(1, passed * 1000 / span);
  }();
  return rate;
}

}  // namespace martlet::base
