#include "preflight.hpp"

#include "descriptor.hpp"
#include "duration.hpp"

#include <martlet/base/clock.hpp>
#include <martlet/loadtest/report.hpp>

#include <netdb.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>

namespace martlet::loadtest {
namespace {

// Gives 0 or the error's number.
int connect_within(const addrinfo& address, std::chrono::nanoseconds timeout) {
  const descriptor socket(::socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (socket.number() < 0) return errno;
  if (::connect(socket.number(), address.ai_addr, address.ai_addrlen) == 0) return 0;
  if (errno != EINPROGRESS) return errno;
  const auto deadline = base::after(base::now(), timeout);
  for (;;) {
    const auto left = std::clamp<std::int64_t>((deadline - base::now()) / 1'000'000, 0, 3'600'000);
    pollfd waiting{socket.number(), POLLOUT, 0};
    const int ready = ::poll(&waiting, 1, static_cast<int>(left));
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0) return errno;
    if (ready == 0 && base::now() < deadline) continue;
    if (ready == 0) return ETIMEDOUT;
    int error = 0;
    socklen_t size = sizeof(error);
    return ::getsockopt(socket.number(), SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
  }
}

std::string numeric_host(const addrinfo& address) {
  std::array<char, NI_MAXHOST> host{};
  const int result =
      ::getnameinfo(address.ai_addr, address.ai_addrlen, host.data(), host.size(), nullptr, 0, NI_NUMERICHOST);
  if (result != 0) throw preflight_error(std::string("cannot write an address as text: ") + ::gai_strerror(result));
  return host.data();
}

std::string reason(int error, const numeric_address& address, std::chrono::nanoseconds timeout) {
  switch (error) {
    case ECONNREFUSED: return address.text() + " refuses connections; is the server running?";
    case ETIMEDOUT: return address.text() + " did not answer within " + to_text(timeout);
    default: return address.text() + ": " + std::strerror(error);
  }
}

}  // namespace

std::string preflight_rules::too_few_descriptors(std::uint64_t needed, std::uint64_t allowed) {
  if (needed <= allowed) return {};
  return "this scenario needs " + grouped(needed) + " open descriptors, and this process may have " + grouped(allowed) +
         " at most (the hard limit): raise that with \"ulimit -Hn " + std::to_string(needed) +
         "\" as root, or ask for fewer users";
}

std::string preflight_rules::too_few_ports(std::uint64_t connections, std::uint64_t ports) {
  if (connections <= ports) return {};
  return "this scenario keeps " + grouped(connections) + " connections to one address, and this machine has " +
         grouped(ports) +
         " local ports for them: widen net.ipv4.ip_local_port_range with sysctl, or ask for fewer users";
}

void allow_descriptors(std::uint64_t needed) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0)
    throw preflight_error(std::string("cannot read the limit of open descriptors: ") + std::strerror(errno));
  const auto sentence = preflight_rules::too_few_descriptors(needed, limit.rlim_max == RLIM_INFINITY ? ~std::uint64_t{0}
                                                                                                     : limit.rlim_max);
  if (!sentence.empty()) throw preflight_error(sentence);
  if (limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0)
    throw preflight_error(std::string("cannot raise the limit of open descriptors: ") + std::strerror(errno));
}

void check_local_ports(std::uint64_t connections) {
  std::ifstream file("/proc/sys/net/ipv4/ip_local_port_range");
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  if (!(file >> first >> last) || last < first) return;  // no such file, no such rule
  const auto sentence = preflight_rules::too_few_ports(connections, last - first + 1);
  if (!sentence.empty()) throw preflight_error(sentence);
}

numeric_address find_target(const target& where, std::chrono::nanoseconds connect_timeout) {
  addrinfo wanted{};
  wanted.ai_family = AF_UNSPEC;
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int result = ::getaddrinfo(where.host.c_str(), std::to_string(where.port).c_str(), &wanted, &found);
  if (result != 0)
    throw preflight_error("cannot find the target " + where.url() + ": " +
                          (result == EAI_SYSTEM ? std::strerror(errno) : ::gai_strerror(result)));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> addresses(found, ::freeaddrinfo);
  std::string reasons;
  for (const auto* one = addresses.get(); one != nullptr; one = one->ai_next) {
    numeric_address address{numeric_host(*one), where.port};
    const int error = connect_within(*one, connect_timeout);
    if (error == 0) return address;
    reasons += (reasons.empty() ? "" : "; ") + reason(error, address, connect_timeout);
  }
  throw preflight_error("cannot reach the target " + where.url() + ": " + reasons);
}

}  // namespace martlet::loadtest
