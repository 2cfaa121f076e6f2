#pragma once

#include <martlet/loadtest/scenario.hpp>

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace martlet::loadtest {

/// Says in one sentence why a run cannot begin, and what to do.
class preflight_error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// An address in numbers.
struct numeric_address {
  std::string host;  // IPv4 or IPv6
  std::uint16_t port = 0;

  std::string text() const {
    return host.find(':') == std::string::npos ? host + ':' + std::to_string(port)
                                               : '[' + host + "]:" + std::to_string(port);
  }
};

/// Raises the soft limit of open descriptors to the hard one.
///
/// Throws    preflight_error: even that is less than `needed`.
void allow_descriptors(std::uint64_t needed);

/// Checks that the machine has as many local ports as connections to one address are wanted.
///
/// Throws    preflight_error.
void check_local_ports(std::uint64_t connections);

/// Resolves the target's name once and connects to its addresses in turn, to find one that answers.
///
/// Throws    preflight_error: an unknown name, or nobody listens there.
numeric_address find_target(const target& where, std::chrono::nanoseconds connect_timeout);

/// The rules behind the two checks, apart from what this machine says.
namespace preflight_rules {
std::string too_few_descriptors(std::uint64_t needed, std::uint64_t allowed);  // empty: enough
std::string too_few_ports(std::uint64_t connections, std::uint64_t ports);     // empty: enough
}  // namespace preflight_rules

}  // namespace martlet::loadtest
