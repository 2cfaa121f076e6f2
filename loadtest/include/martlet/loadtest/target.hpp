#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace martlet::loadtest {

/// Where the requests go: http://host:port/base.
struct target {
  std::string host;  // a name or an address, IPv6 without its brackets
  std::uint16_t port = 80;
  std::string base_path;  // begins with / or is empty; never ends with /

  /// Gives host and port as the Host header wants them: IPv6 in brackets, port 80 left out.
  std::string authority() const;

  /// Gives the whole as it would be written in a scenario.
  std::string url() const;

  friend bool operator==(const target&, const target&) = default;
};

/// Reads a target's URL.
///
/// Throws    std::invalid_argument with a sentence: what was expected and what was found.
target parse_target(std::string_view url);

}  // namespace martlet::loadtest
