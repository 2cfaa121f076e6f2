#include <martlet/net/listener.hpp>

#include <cerrno>
#include <string>
#include <utility>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "descriptor.hpp"
#include "system_calls.hpp"

namespace martlet {

namespace detail {

accept_operation::accept_operation(const socket& at) noexcept
    : case_operation<accept_operation, socket_wait>(at, inward, attempt) {}

accept_operation::~accept_operation() {
  if (accepted_ != calls::no_socket) {
    calls::close(accepted_);
  }
  if (place_ != nullptr) {
    descriptors().give_back(place_);
  }
}

bool accept_operation::attempt(socket_wait& wait, int fd) noexcept {
  auto& self = static_cast<accept_operation&>(wait);
  // Before the call: a connection that has been accepted, and for which there is no memory, would have to be closed.
  if (self.place_ == nullptr && (self.place_ = descriptors().try_take()) == nullptr) {
    self.error_ = ENOMEM;
    return true;
  }
  for (;;) {
    self.accepted_ = calls::accept(fd);
    if (self.accepted_ != calls::no_socket) {
      return true;
    }
    switch (errno) {
      case EAGAIN: return false;
      case EINTR:
      case ECONNABORTED: break;
      // Troubles of the connection that was about to be accepted (accept(2)); the next one may have none.
      case ENETDOWN:
      case EPROTO:
      case ENOPROTOOPT:
      case EHOSTDOWN:
      case ENONET:
      case EHOSTUNREACH:
      case ENETUNREACH: break;
      default: self.error_ = errno; return true;
    }
  }
}

net::stream accept_operation::result() {
  throw_error("accept");
  return net::stream(socket(*std::exchange(place_, nullptr), std::exchange(accepted_, calls::no_socket)));
}

}  // namespace detail

namespace net {

listener::listener(const endpoint& at, listener_options options) : socket_(detail::socket::open(at.family())) {
  const bool is_local = at.family() == AF_UNIX;
  if (!is_local) {
    socket_.set_option(SOL_SOCKET, SO_REUSEADDR, 1, "reuse the address");
    socket_.set_option(IPPROTO_TCP, TCP_NODELAY, 1, "no_delay");  // what is accepted inherits it
    if (options.share_port) {
      socket_.set_option(SOL_SOCKET, SO_REUSEPORT, 1, "share_port");
    }
  }
  if (const int error = socket_.listen(at, options.backlog, options.share_port); error != 0) {
    std::string what = "listen on " + at.to_string();
    switch (error) {
      case EADDRINUSE:
        what += is_local ? ": the path exists already; remove it if nobody listens there"
                         : ": another socket uses this address; stop its program, or choose another port (0 for any)";
        break;
      case EACCES: what += ": that needs a privilege; choose a port from 1024 on"; break;
      case EADDRNOTAVAIL: what += ": this machine does not have that address"; break;
      default: break;
    }
    detail::throw_system_error(error, what);
  }
}

}  // namespace net

}  // namespace martlet
