#pragma once

#include <cstddef>
#include <span>

#include <martlet/net/endpoint.hpp>
#include <martlet/net/error.hpp>
#include <martlet/net/socket.hpp>

namespace martlet {

namespace net {

class stream;

/// What a gathering write takes: pieces of memory that are sent as one.
using pieces = std::span<const std::span<const std::byte>>;

}  // namespace net

namespace detail {

/// `stream::read_some`.
class [[nodiscard("await it")]] read_operation final : public case_operation<read_operation, socket_wait> {
 public:
  read_operation(const socket& from, std::span<std::byte> into) noexcept;

  std::size_t result() const;

 private:
  static bool attempt(socket_wait& self, int fd) noexcept;

  std::span<std::byte> into_;
  std::size_t count_ = 0;
};

/// `stream::readable`.
class [[nodiscard("await it")]] readable_operation final : public case_operation<readable_operation, socket_wait> {
 public:
  explicit readable_operation(const socket& from) noexcept;

  void result() const;

 private:
  static bool attempt(socket_wait& self, int fd) noexcept;
};

/// `stream::write_some` and `stream::write_all`.
class [[nodiscard("await it")]] write_operation final : public case_operation<write_operation, socket_wait> {
 public:
  enum class until : bool { some, all };

  write_operation(const socket& to, std::span<const std::byte> from, until what) noexcept;
  write_operation(const socket& to, net::pieces from, until what) noexcept;

  std::size_t result() const;

 private:
  static bool attempt(socket_wait& self, int fd) noexcept;

  std::span<const std::byte> present_;  // what is left of the piece that is being sent
  net::pieces later_;                   // the pieces after it
  std::size_t count_ = 0;
};

/// `connect`. Owns the socket until it is connected.
class [[nodiscard("await it")]] connect_operation final : public case_operation<connect_operation, socket_wait> {
 public:
  explicit connect_operation(const net::endpoint& to) : connect_operation(socket::open(to.family()), to) {}

  net::stream result();

 private:
  connect_operation(socket&& from, const net::endpoint& to) noexcept;
  static bool attempt(socket_wait& self, int fd) noexcept;

  socket socket_;
  net::endpoint to_;
};

}  // namespace detail

namespace net {

/// Carries bytes both ways over TCP or a Unix socket.
///
/// Every operation tries the system call first and suspends only when that would block; each can be a case of `select`
/// and be given a time limit. Bytes go straight between the kernel and the caller's memory, which must stay where it is
/// until the operation has ended.
///
/// ```cpp
/// martlet::net::stream to = co_await martlet::net::connect(endpoint::localhost(7));
/// co_await to.write_all(std::as_bytes(std::span("hello")));
/// std::array<std::byte, 512> buffer;
/// while (std::size_t n = co_await martlet::within(5s, to.read_some(buffer))) { ... }   // 0: the other side is done
/// ```
///
/// Threads   operations and `close` any, at the same time too: readers are served in the order in which they came, and
///           so are writers, each as a whole. Moving and destroying: one, when nobody else uses it.
class stream {
 public:
  /// Makes one that is closed.
  stream() noexcept = default;
  explicit stream(detail::socket&& socket) noexcept : socket_(std::move(socket)) {}

  /// Reads what is there, at least a byte.
  ///
  /// Returns   how many bytes; 0 at the end of the stream, and for an empty buffer.
  /// Throws    socket_closed, cancelled; std::system_error when the connection broke.
  /// Suspends  while nothing is there; resumed by any worker.
  /// Cost      one system call; none in vain after a read that emptied the socket.
  detail::read_operation read_some(std::span<std::byte> into) noexcept { return {socket_, into}; }

  /// Waits until a read would not wait: bytes or the end of the stream are there.
  ///
  /// For connections that are mostly idle: take the buffer after this, not before. A hint: another reader may be first,
  /// and now and then it is early. Throws and suspends as read_some.
  /// Cost      no system call after a read that emptied the socket.
  detail::readable_operation readable() noexcept { return detail::readable_operation(socket_); }

  /// Writes what fits, at least a byte.
  ///
  /// Returns   how many bytes.
  /// Throws    socket_closed, cancelled; std::system_error when the connection broke.
  /// Suspends  while nothing fits; resumed by any worker.
  detail::write_operation write_some(std::span<const std::byte> from) noexcept {
    return {socket_, from, detail::write_operation::until::some};
  }
  detail::write_operation write_some(pieces from) noexcept {
    return {socket_, from, detail::write_operation::until::some};
  }

  /// Writes everything.
  ///
  /// Returns   how many bytes: all.
  /// Throws    as write_some; a part may have been written then, after a time limit and a lost select too.
  /// Suspends  while not all fits.
  detail::write_operation write_all(std::span<const std::byte> from) noexcept {
    return {socket_, from, detail::write_operation::until::all};
  }
  detail::write_operation write_all(pieces from) noexcept {
    return {socket_, from, detail::write_operation::until::all};
  }

  /// Tells the other side that nothing more will come; reading goes on. Never suspends.
  ///
  /// Throws    socket_closed, std::system_error.
  void shutdown_write() { socket_.shutdown_write(); }

  /// Closes the socket; operations that wait here throw socket_closed. Closing twice is allowed. Never suspends.
  void close() noexcept { socket_.close(); }
  bool is_open() const noexcept { return socket_.is_open(); }

  /// Sends small writes at once instead of collecting them. On from the start for TCP; a Unix socket has no such option.
  ///
  /// Throws    socket_closed, std::system_error.
  void no_delay(bool on);

  /// Throws    socket_closed, std::system_error.
  endpoint local_endpoint() const { return socket_.local_endpoint(); }
  endpoint remote_endpoint() const { return socket_.remote_endpoint(); }

  /// Returns   the descriptor, -1 once closed and in a simulated network. It stays the stream's: do not close it, and do not make it block.
  int native_handle() const noexcept { return socket_.native_handle(); }

 private:
  detail::socket socket_;
};

/// Connects to a listener.
///
/// Returns   a stream.
/// Throws    std::system_error with a sentence, also at once when no socket can be opened; cancelled.
/// Suspends  until the other side has answered; resumed by any worker. Without a limit that may take minutes: `within`.
inline detail::connect_operation connect(const endpoint& to) { return detail::connect_operation(to); }

}  // namespace net

}  // namespace martlet
