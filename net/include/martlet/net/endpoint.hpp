#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

namespace martlet::net {

/// Names one end of a connection: an IPv4 or IPv6 address with a port, or the path of a Unix socket.
///
/// ```cpp
/// auto here = martlet::net::endpoint::localhost(8080);
/// auto there = martlet::net::endpoint::parse("[2001:db8::1]:443");
/// std::cout << there.to_string();
/// ```
///
/// Host names are not looked up here: that blocks, and belongs to a resolver.
class endpoint {
 public:
  /// Makes 0.0.0.0:0.
  endpoint() noexcept : endpoint(0, 0) {}

  /// Names port `port` of this machine (127.0.0.1); 0 lets the system choose one when it is listened on.
  static endpoint localhost(std::uint16_t port) noexcept { return {INADDR_LOOPBACK, port}; }

  /// Names `port` on every IPv4 address of this machine.
  static endpoint any(std::uint16_t port) noexcept { return {INADDR_ANY, port}; }

  /// Names a Unix socket by its path in the file system.
  ///
  /// Throws    std::system_error when the path is longer than the system allows (107 bytes), or has a zero byte in it.
  static endpoint unix_path(std::string_view path);

  /// Takes what the system calls gave.
  static endpoint from(const sockaddr* address, socklen_t size) noexcept;

  /// Reads "127.0.0.1:80", "[::1]:80", "localhost:80", ":80" (every IPv4 address), "unix:/path".
  ///
  /// Returns   nothing when the text is none of these.
  static std::optional<endpoint> try_parse(std::string_view text);

  /// Reads the same.
  ///
  /// Throws    std::system_error with a sentence that says what was expected.
  static endpoint parse(std::string_view text);

  /// Writes it so that `parse` reads it again.
  std::string to_string() const;

  /// Returns   the port, 0 for a Unix socket.
  std::uint16_t port() const noexcept;

  /// Returns   AF_INET, AF_INET6 or AF_UNIX.
  int family() const noexcept { return address_.any.sa_family; }

  const sockaddr* data() const noexcept { return &address_.any; }
  socklen_t size() const noexcept { return size_; }

  friend bool operator==(const endpoint& a, const endpoint& b) noexcept;

 private:
  endpoint(std::uint32_t ipv4, std::uint16_t port) noexcept;

  union {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
    sockaddr_un local;
  } address_{};
  socklen_t size_ = 0;
};

}  // namespace martlet::net
