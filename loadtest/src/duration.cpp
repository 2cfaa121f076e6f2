#include "duration.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <stdexcept>

namespace martlet::loadtest {
namespace {

struct unit {
  std::string_view name;
  double nanoseconds;
};

constexpr std::array<unit, 6> units{{{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}}};
constexpr double longest = 365.0 * 24 * 3600e9;

[[noreturn]] void refuse(std::string_view text) {
  throw std::invalid_argument(
      "expected a duration such as \"100ms\", \"1.5s\" or \"2m\" (units ns, us, ms, s, m, h), found \"" +
      std::string(text) + '"');
}

}  // namespace

std::chrono::nanoseconds parse_duration(std::string_view text) {
  // from_chars would also take a sign, an exponent, "inf" and "nan", which the schema's pattern does not.
  const auto digits = text.find_first_not_of("0123456789.");
  if (digits == 0 || digits == std::string_view::npos || text.front() == '.' || text[digits - 1] == '.') refuse(text);
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + digits, number, std::chars_format::fixed);
  if (end != text.data() + digits) refuse(text);
  if (error == std::errc::result_out_of_range) number = HUGE_VAL;
  for (const auto& candidate : units) {
    if (text.substr(digits) != candidate.name) continue;
    const double nanoseconds = std::round(number * candidate.nanoseconds);
    if (nanoseconds > longest)
      throw std::invalid_argument("expected a duration of at most 365 days, found \"" + std::string(text) + '"');
    return std::chrono::nanoseconds(static_cast<std::int64_t>(nanoseconds));
  }
  refuse(text);
}

std::string to_text(std::chrono::nanoseconds duration) {
  const auto count = static_cast<double>(duration.count());
  const auto* chosen = &units[0];
  for (const auto& candidate : units)
    if (std::abs(count) >= candidate.nanoseconds) chosen = &candidate;
  if (chosen->name == "h" || chosen->name == "m") chosen = &units[3];  // people compare latencies in seconds
  const double number = count / chosen->nanoseconds;
  const int decimals = chosen->nanoseconds == 1 || std::abs(number) >= 1000 ? 0
                       : std::abs(number) >= 100                            ? 1
                       : std::abs(number) >= 10                             ? 2
                                                                            : 3;
  std::array<char, 64> digits;
  const auto end =
      std::to_chars(digits.data(), digits.data() + digits.size(), number, std::chars_format::fixed, decimals).ptr;
  return std::string(digits.data(), end) + ' ' + std::string(chosen->name);
}

}  // namespace martlet::loadtest
