#include <martlet/net/endpoint.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <system_error>

#include <arpa/inet.h>

namespace martlet::net {
namespace {

constexpr std::string_view unix_prefix = "unix:";

std::optional<std::uint16_t> port_of(std::string_view text) noexcept {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(port) : std::nullopt;
}

}  // namespace

endpoint::endpoint(std::uint32_t ipv4, std::uint16_t port) noexcept : size_(sizeof(sockaddr_in)) {
  address_.v4.sin_family = AF_INET;
  address_.v4.sin_port = htons(port);
  address_.v4.sin_addr.s_addr = htonl(ipv4);
}

endpoint endpoint::unix_path(std::string_view path) {
  endpoint result;
  if (path.empty() || path.size() >= sizeof result.address_.local.sun_path) {
    throw std::system_error(std::make_error_code(std::errc::filename_too_long),
                            "the path of a Unix socket has 1 to " +
                                std::to_string(sizeof result.address_.local.sun_path - 1) + " bytes, and \"" +
                                std::string(path) + "\" has " + std::to_string(path.size()));
  }
  if (path.find('\0') != std::string_view::npos) {
    throw std::system_error(std::make_error_code(std::errc::invalid_argument),
                            "the path of a Unix socket ends at a zero byte, and this one goes on after it: \"" +
                                std::string(path.substr(0, path.find('\0'))) + "\"");
  }
  result.address_.local = {};
  result.address_.local.sun_family = AF_UNIX;
  std::copy(path.begin(), path.end(), result.address_.local.sun_path);
  result.size_ = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  return result;
}

endpoint endpoint::from(const sockaddr* address, socklen_t size) noexcept {
  endpoint result;
  result.size_ = std::min(size, static_cast<socklen_t>(sizeof result.address_));
  result.address_.local = {};
  std::memcpy(&result.address_, address, result.size_);
  return result;
}

std::optional<endpoint> endpoint::try_parse(std::string_view text) {
  if (text.starts_with(unix_prefix)) {
    text.remove_prefix(unix_prefix.size());
    const bool is_path =
        !text.empty() && text.size() < sizeof(sockaddr_un::sun_path) && text.find('\0') == std::string_view::npos;
    return is_path ? std::optional(unix_path(text)) : std::nullopt;
  }
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return std::nullopt;
  }
  const auto port = port_of(text.substr(colon + 1));
  std::string_view host = text.substr(0, colon);
  if (!port) {
    return std::nullopt;
  }
  if (host.empty()) {
    return any(*port);
  }
  if (host == "localhost") {
    return localhost(*port);
  }
  endpoint result = any(*port);
  if (host.starts_with('[') && host.ends_with(']') && host.size() > 2) {
    host = host.substr(1, host.size() - 2);
    result.address_.v6 = {};
    result.address_.v6.sin6_family = AF_INET6;
    result.address_.v6.sin6_port = htons(*port);
    result.size_ = sizeof(sockaddr_in6);
    return inet_pton(AF_INET6, std::string(host).c_str(), &result.address_.v6.sin6_addr) == 1 ? std::optional(result)
                                                                                              : std::nullopt;
  }
  return inet_pton(AF_INET, std::string(host).c_str(), &result.address_.v4.sin_addr) == 1 ? std::optional(result)
                                                                                          : std::nullopt;
}

endpoint endpoint::parse(std::string_view text) {
  if (auto result = try_parse(text)) {
    return *result;
  }
  throw std::system_error(std::make_error_code(std::errc::invalid_argument),
                          "an endpoint is written 127.0.0.1:80, [::1]:80, localhost:80, :80 or unix:/path, and \"" +
                              std::string(text) + "\" is none of these (host names are not looked up)");
}

std::string endpoint::to_string() const {
  std::array<char, INET6_ADDRSTRLEN> host{};
  switch (family()) {
    case AF_INET:
      inet_ntop(AF_INET, &address_.v4.sin_addr, host.data(), host.size());
      return std::string(host.data()) + ":" + std::to_string(port());
    case AF_INET6:
      inet_ntop(AF_INET6, &address_.v6.sin6_addr, host.data(), host.size());
      return std::string(1, '[').append(host.data()).append("]:").append(std::to_string(port()));
    case AF_UNIX:  // a path that fills its place, as the system's may, has no zero at the end
      return std::string(unix_prefix)
          .append(address_.local.sun_path, strnlen(address_.local.sun_path, sizeof address_.local.sun_path));
    default: return "address family " + std::to_string(family());
  }
}

std::uint16_t endpoint::port() const noexcept {
  switch (family()) {
    case AF_INET: return ntohs(address_.v4.sin_port);
    case AF_INET6: return ntohs(address_.v6.sin6_port);
    default: return 0;
  }
}

bool operator==(const endpoint& a, const endpoint& b) noexcept {
  return a.size_ == b.size_ && std::memcmp(&a.address_, &b.address_, a.size_) == 0;
}

}  // namespace martlet::net
