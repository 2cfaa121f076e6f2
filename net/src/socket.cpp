#include <martlet/net/socket.hpp>

#include <cerrno>
#include <mutex>
#include <new>
#include <string>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <martlet/net/error.hpp>

#include "descriptor.hpp"

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
    ::close(fd);
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

int socket::native_handle() const noexcept {
  if (at_ == nullptr) {
    return -1;
  }
  const std::lock_guard guard(at_->in.lock_);
  return at_->generation.load(base::relaxed) == generation_ ? at_->fd : -1;
}

net::endpoint socket::local_endpoint() const {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  with_open(at_, generation_, toward::in, "local_endpoint",
            [&](int fd) { return ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size); });
  return net::endpoint::from(reinterpret_cast<sockaddr*>(&address), size);
}

net::endpoint socket::remote_endpoint() const {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  with_open(at_, generation_, toward::in, "remote_endpoint",
            [&](int fd) { return ::getpeername(fd, reinterpret_cast<sockaddr*>(&address), &size); });
  return net::endpoint::from(reinterpret_cast<sockaddr*>(&address), size);
}

void socket::set_option(int level, int name, int value, const char* said_as) {
  with_open(at_, generation_, toward::in, said_as,
            [&](int fd) { return ::setsockopt(fd, level, name, &value, sizeof value); });
}

void socket::shutdown_write() {
  with_open(at_, generation_, toward::out, "shutdown_write", [](int fd) { return ::shutdown(fd, SHUT_WR); });
}

void socket_wait::throw_it(const char* doing) const {
  if (error_ == error_closed) {
    throw net::socket_closed(doing);
  }
  const std::string more = hint(error_);
  throw_system_error(error_, more.empty() ? doing : std::string(doing) + ": " + more);
}

}  // namespace martlet::detail
