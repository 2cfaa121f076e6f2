#include <martlet/net/socket.hpp>

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <new>
#include <string>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <martlet/net/error.hpp>
#include <martlet/tasklet/errors.hpp>

#include "descriptor.hpp"
#include "system_calls.hpp"

namespace martlet::detail {
namespace {

std::string descriptor_limit() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return std::to_string(limit.rlim_cur);
}

// What a person wants to know about an error of the system that is common on sockets.
std::string hint(int error) {
  switch (error) {
    case EMFILE:
      return "this process has all the " + descriptor_limit() +
             " descriptors that it may have; raise the limit with setrlimit or ulimit -n, or close some";
    case ENFILE: return "the system has no descriptor left";
    case ECONNREFUSED: return "nobody listens there";
    case ECONNRESET: return "the other side broke the connection off";
    case EPIPE: return "the other side has closed the connection, or shutdown_write was called here";
    case EADDRNOTAVAIL: return "this machine does not have that address, or no port of its own left";
    case EAGAIN:
      return "the queue of a Unix listener is full, so try again later; or somebody else used the descriptor in between";
    case ENOMEM: return "the kernel has no memory for it, or no epoll could be made";
    case ENOSPC: return "this user watches as many descriptors as fs.epoll.max_user_watches allows";
    default: return "";
  }
}

// Calls `get` with the descriptor while it cannot be closed.
template <class F>
void with_open(descriptor* at, std::uint32_t generation, toward where, const char* doing, F&& use) {
  int error = 0;
  {
    const std::unique_lock guard =
        at == nullptr ? std::unique_lock<base::spin_lock>() : std::unique_lock(at->at(where).lock_);
    if (at == nullptr || at->generation.load(base::relaxed) != generation) {
      error = EBADF;
    } else if (use(at->fd) != 0) {
      error = errno;
    } else {
      return;
    }
  }
  if (error == EBADF) {
    throw net::socket_closed(doing);
  }
  throw_system_error(error, doing);
}

}  // namespace

socket socket::open(int family) {
  if (const int number = calls::simulated::open(family); number != calls::no_socket) {
    return socket(number);
  }
  const int fd = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    const int error = errno;
    const std::string more = hint(error);
    throw_system_error(error, "no socket could be opened" + (more.empty() ? more : ": " + more));
  }
  return socket(fd);
}

socket::socket(int fd) : at_(descriptors().try_take()) {
  if (at_ == nullptr) {
    calls::close(fd);
    throw std::bad_alloc();
  }
  at_->open(fd);
  generation_ = at_->generation.load(base::relaxed);
}

socket::socket(descriptor& unused, int fd) noexcept : at_(&unused), generation_(unused.generation.load(base::relaxed)) {
  unused.open(fd);
}

void socket::close() noexcept {
  if (at_ != nullptr) {
    at_->close(generation_);
  }
}

int socket::number() const noexcept {
  if (at_ == nullptr) {
    return calls::no_socket;
  }
  const std::lock_guard guard(at_->in.lock_);
  return at_->generation.load(base::relaxed) == generation_ ? at_->fd : calls::no_socket;
}

bool socket::is_open() const noexcept { return number() != calls::no_socket; }

int socket::native_handle() const noexcept { return std::max(number(), calls::no_socket); }

int socket::listen(const net::endpoint& at, int backlog, bool share_port) noexcept {
  const int fd = number();
  const bool is_done = calls::is_simulated(fd)
                           ? calls::simulated::listen(fd, at.data(), at.size(), backlog, share_port) == 0
                           : ::bind(fd, at.data(), at.size()) == 0 && ::listen(fd, backlog) == 0;
  return is_done ? 0 : errno;
}

net::endpoint socket::local_endpoint() const {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  with_open(at_, generation_, toward::in, "local_endpoint",
            [&](int fd) { return calls::local_name(fd, reinterpret_cast<sockaddr*>(&address), &size); });
  return net::endpoint::from(reinterpret_cast<sockaddr*>(&address), size);
}

net::endpoint socket::remote_endpoint() const {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  with_open(at_, generation_, toward::in, "remote_endpoint",
            [&](int fd) { return calls::remote_name(fd, reinterpret_cast<sockaddr*>(&address), &size); });
  return net::endpoint::from(reinterpret_cast<sockaddr*>(&address), size);
}

void socket::set_option(int level, int name, int value, const char* said_as) {
  with_open(at_, generation_, toward::in, said_as, [&](int fd) { return calls::set_option(fd, level, name, value); });
}

void socket::shutdown_write() {
  with_open(at_, generation_, toward::out, "shutdown_write", [](int fd) { return calls::shut_down_write(fd); });
}

void socket_wait::throw_it(const char* doing) const {
  if (error_ == error_closed) {
    throw net::socket_closed(doing);
  }
  if (error_ == error_unsimulated) {
    throw misuse(std::string(doing) +
                 ": this socket is the system's, and would keep a simulation waiting for what is outside of it; make a "
                 "martlet::net::simulated_network(sim), and open the socket while it lives");
  }
  const std::string more = hint(error_);
  throw_system_error(error_, more.empty() ? doing : std::string(doing) + ": " + more);
}

}  // namespace martlet::detail
