#pragma once

#include <chrono>
#include <cstdint>

/// The one door to time.
namespace martlet::base {

/// A point in monotonic time, in nanoseconds.
using instant = std::int64_t;

/// Later than every deadline: "no deadline".
inline constexpr instant never = INT64_MAX;

/// Reads the monotonic clock, or on a simulation's thread the simulation's (virtual_time.hpp).
///
/// Returns   nanoseconds since an arbitrary start (the steady clock's).
/// Cost      about 25 ns (a read of the time-stamp counter in the vDSO).
instant now() noexcept;

/// The same, and never a simulation's: for what belongs to the process.
instant system_now() noexcept;

/// Adds a duration to an instant, and stays at `never` instead of wrapping.
template <class Rep, class Period>
instant after(instant start, std::chrono::duration<Rep, Period> wait) noexcept {
  using wide = std::chrono::duration<long double, std::nano>;
  const long double sum = static_cast<long double>(start) + std::chrono::duration_cast<wide>(wait).count();
  if (sum >= static_cast<long double>(never)) {
    return never;
  }
  return sum > 0 ? static_cast<instant>(sum) : 0;  // what is no number has passed
}

/// Reads a counter that is good for comparing short spans and for nothing else.
///
/// Returns   about nanoseconds-scale ticks; `cycles_per_microsecond()` gives the scale.
/// Cost      about 8 ns.
inline std::uint64_t cycles() noexcept {
#if defined(__x86_64__) && !defined(MARTLET_MODEL)
  return __builtin_ia32_rdtsc();
#else
  return static_cast<std::uint64_t>(now());
#endif
}

/// Returns   how many `cycles()` pass in a microsecond, measured once.
std::uint64_t cycles_per_microsecond() noexcept;

}  // namespace martlet::base
