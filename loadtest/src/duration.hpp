#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace martlet::loadtest {

/// Reads a duration: a decimal number and its unit without a blank, such as "100ms", "1.5s" or "2m".
///
/// Takes     units ns, us, ms, s, m and h; at most 365 days; not negative.
/// Throws    std::invalid_argument with a sentence: what was expected and what was found.
std::chrono::nanoseconds parse_duration(std::string_view text);

/// Writes a duration for people, in the unit in which it is 1 or more, with 3 or 4 significant digits: "1.25 ms".
std::string to_text(std::chrono::nanoseconds duration);

}  // namespace martlet::loadtest
