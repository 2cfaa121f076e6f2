#pragma once

#include <martlet/net/endpoint.hpp>
#include <martlet/net/error.hpp>
#include <martlet/net/socket.hpp>
#include <martlet/net/stream.hpp>

namespace martlet {

namespace detail {

/// `listener::accept`.
class [[nodiscard("await it")]] accept_operation final : public case_operation<accept_operation, socket_wait> {
 public:
  explicit accept_operation(const socket& at) noexcept;
  accept_operation(accept_operation&&) noexcept = default;
  ~accept_operation();

  net::stream result();

 private:
  static bool attempt(socket_wait& self, int fd) noexcept;

  descriptor* place_ = nullptr;  // for what will be accepted
  int accepted_ = -1;
};

}  // namespace detail

namespace net {

struct listener_options {
  /// Connections that the kernel keeps for us until they are accepted; it cuts this down to net.core.somaxconn.
  int backlog = 4096;

  /// Lets several listeners, of several processes too, share one port; the kernel spreads the connections.
  bool share_port = false;
};

/// Waits for connections at an endpoint.
///
/// ```cpp
/// martlet::net::listener door(martlet::net::endpoint::localhost(0));
/// std::cout << door.local_endpoint().to_string();
/// for (;;) {
///   martlet::spawn(serve(co_await door.accept()));
/// }
/// ```
///
/// Threads   `accept` and `close` any, at the same time too. Moving and destroying: one.
class listener {
 public:
  listener() noexcept = default;

  /// Binds and listens, with SO_REUSEADDR, so that a restarted server gets its port back.
  ///
  /// Throws    std::system_error: the address is in use, is not this machine's, needs a privilege.
  explicit listener(const endpoint& at, listener_options options = {});

  /// Waits for the next connection.
  ///
  /// Returns   a stream.
  /// Throws    socket_closed once the listener is closed; cancelled; std::system_error when this process has no
  ///           descriptor or no memory left, after which it may be called again: the connection waits.
  /// Suspends  while there is none; of several that wait the first comes first. Resumed by any worker.
  detail::accept_operation accept() noexcept { return detail::accept_operation(socket_); }

  /// Stops listening; who waits in `accept` throws socket_closed. Closing twice is allowed. Never suspends.
  void close() noexcept { socket_.close(); }
  bool is_open() const noexcept { return socket_.is_open(); }

  /// Returns   where it listens, with the port that the system chose.
  /// Throws    socket_closed, std::system_error.
  endpoint local_endpoint() const { return socket_.local_endpoint(); }

  int native_handle() const noexcept { return socket_.native_handle(); }

 private:
  detail::socket socket_;
};

}  // namespace net

}  // namespace martlet
