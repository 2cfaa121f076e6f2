#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace martlet::loadtest {

/// Why a request did not get the answer that it expected.
enum class failure : unsigned char {
  connect,          // refused or unreachable
  connect_timeout,  // no connection in time
  timeout,          // no complete answer in time
  closed,           // the server closed the connection before the answer was complete
  reset,            // the connection broke
  protocol,         // the answer is not HTTP
  status,           // an answer with another status than expected
  local,            // this machine could not: no descriptor, port or memory left
};

inline constexpr std::size_t failure_count = 8;

/// The failures' names in reports, in the order of the enumeration.
inline constexpr std::array<std::string_view, failure_count> failure_names{
    "connect", "connect_timeout", "timeout", "closed", "reset", "protocol", "status", "local"};

constexpr std::string_view name_of(failure kind) noexcept { return failure_names[static_cast<std::size_t>(kind)]; }

}  // namespace martlet::loadtest
