#pragma once

#include <cerrno>
#include <cstddef>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

/// The one door to the system's calls on sockets. In a simulation a network that is simulated answers them: its sockets have
/// numbers below -1, which no descriptor has.
namespace martlet::detail::calls {

inline constexpr int no_socket = -1;

inline bool is_simulated(int fd) noexcept { return fd < no_socket; }

/// What a simulated network answers. As the calls of the system, `errno` included.
///
/// Threads   that of the simulation; another one stops the program with a sentence.
namespace simulated {

/// Returns   a number; `no_socket` where the calling thread has no simulation.
/// Throws    misuse where the simulation has no network.
int open(int family);
int listen(int fd, const sockaddr* at, socklen_t size, int backlog, bool share_port) noexcept;
int accept(int fd) noexcept;
int connect(int fd, const sockaddr* to, socklen_t size) noexcept;
ssize_t receive(int fd, void* into, std::size_t size, int flags) noexcept;
ssize_t send(int fd, const msghdr& what) noexcept;
int shut_down_write(int fd) noexcept;
int local_name(int fd, sockaddr* into, socklen_t* size) noexcept;
int remote_name(int fd, sockaddr* into, socklen_t* size) noexcept;
bool is_ready(int fd, short events) noexcept;
void close(int fd) noexcept;

/// Tells of events at the socket with this token from now on, as an epoll: those of the moment too.
void watch(int fd, std::uint64_t token) noexcept;

}  // namespace simulated

inline int accept(int fd) noexcept {
  return is_simulated(fd) ? simulated::accept(fd) : ::accept4(fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

inline int connect(int fd, const sockaddr* to, socklen_t size) noexcept {
  return is_simulated(fd) ? simulated::connect(fd, to, size) : ::connect(fd, to, size);
}

inline ssize_t receive(int fd, void* into, std::size_t size, int flags) noexcept {
  return is_simulated(fd) ? simulated::receive(fd, into, size, flags) : ::recv(fd, into, size, flags);
}

inline ssize_t send(int fd, const msghdr& what) noexcept {
  return is_simulated(fd) ? simulated::send(fd, what) : ::sendmsg(fd, &what, MSG_NOSIGNAL);
}

inline int shut_down_write(int fd) noexcept {
  return is_simulated(fd) ? simulated::shut_down_write(fd) : ::shutdown(fd, SHUT_WR);
}

inline int local_name(int fd, sockaddr* into, socklen_t* size) noexcept {
  return is_simulated(fd) ? simulated::local_name(fd, into, size) : ::getsockname(fd, into, size);
}

inline int remote_name(int fd, sockaddr* into, socklen_t* size) noexcept {
  return is_simulated(fd) ? simulated::remote_name(fd, into, size) : ::getpeername(fd, into, size);
}

/// A simulated socket has no options: it is as fast as its network, and never delays what is small.
inline int set_option(int fd, int level, int name, int value) noexcept {
  return is_simulated(fd) ? 0 : ::setsockopt(fd, level, name, &value, sizeof value);
}

/// Says whether a call would go on now.
inline bool is_ready(int fd, short events) noexcept {
  pollfd one{.fd = fd, .events = events, .revents = 0};
  return is_simulated(fd) ? simulated::is_ready(fd, events) : ::poll(&one, 1, 0) == 1;
}

inline void close(int fd) noexcept {
  if (is_simulated(fd)) {
    simulated::close(fd);
  } else {
    ::close(fd);
  }
}

}  // namespace martlet::detail::calls
