#include <cerrno>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include <sys/epoll.h>

#include <martlet/base/check.hpp>
#include <martlet/base/current.hpp>
#include <martlet/base/spin_lock.hpp>
#include <martlet/base/virtual_time.hpp>
#include <martlet/net/endpoint.hpp>
#include <martlet/tasklet/errors.hpp>

#include "simulated_socket.hpp"
#include "system_calls.hpp"
#include "wires.hpp"

namespace martlet::detail::calls::simulated {
namespace {

using pointer = simulated_socket::pointer;

/// Which socket has which number, in the whole process. Never destroyed.
class number_table {
 public:
  int enter(pointer one) {
    const std::lock_guard guard(lock_);
    if (free_.empty()) {
      free_.reserve(sockets_.size() + 1);  // so that leaving never needs memory
      sockets_.push_back(std::move(one));
      return number_of(sockets_.size() - 1);
    }
    const std::size_t place = free_.back();
    free_.pop_back();
    sockets_[place] = std::move(one);
    return number_of(place);
  }

  pointer find(int number) noexcept {
    const std::lock_guard guard(lock_);
    return sockets_[place_of(number)];
  }

  pointer leave(int number) noexcept {
    const std::lock_guard guard(lock_);
    free_.push_back(place_of(number));
    return std::exchange(sockets_[place_of(number)], nullptr);
  }

 private:
  static int number_of(std::size_t place) noexcept { return no_socket - 1 - static_cast<int>(place); }
  static std::size_t place_of(int number) noexcept { return static_cast<std::size_t>(no_socket - 1 - number); }

  base::spin_lock lock_;
  std::vector<pointer> sockets_;
  std::vector<std::size_t> free_;
};

number_table& numbers() noexcept {
  static number_table& one = *new number_table;
  return one;
}

void require_own_thread(const simulated_socket& one) noexcept {
  if (one.network().thread() != base::this_thread()) {
    base::fatal(
        "a socket of a simulated network was used on another thread than its simulation's; use it there, in tasklets of "
        "the simulation");
  }
}

// Makes the call, and tells its outcome as the system does.
template <class Call>
ssize_t answer(int number, Call call) noexcept {
  const pointer one = numbers().find(number);
  require_own_thread(*one);
  ssize_t outcome = -ENETDOWN;  // the network has ended
  if (!one->network().is_closed()) {
    try {
      outcome = call(*one);
    } catch (const std::bad_alloc&) {
      outcome = -ENOBUFS;
    }
  }
  if (outcome < 0) {
    errno = static_cast<int>(-outcome);
    return -1;
  }
  return outcome;
}

int name(const net::endpoint& it, sockaddr* into, socklen_t* size) noexcept {
  std::memcpy(into, it.data(), it.size());  // callers have room for every kind
  *size = it.size();
  return 0;
}

}  // namespace

int open(int family) {
  if (base::virtual_time::here() == nullptr) {
    return no_socket;
  }
  std::shared_ptr<wires> network = wires::of_this_thread();
  if (network == nullptr) {
    throw misuse(
        "a socket was to be opened in a simulation, where the system's have no place: make a "
        "martlet::net::simulated_network(sim) first, which stands in for them");
  }
  return numbers().enter(std::make_shared<simulated_socket>(std::move(network), family));
}

int listen(int fd, const sockaddr* at, socklen_t size, int backlog, bool share_port) noexcept {
  return static_cast<int>(answer(fd, [&](simulated_socket& one) {
    return one.listen(net::endpoint::from(at, size), backlog, share_port);
  }));
}

int accept(int fd) noexcept {
  int accepted = no_socket;
  const ssize_t outcome = answer(fd, [&](simulated_socket& one) -> int {
    if (!one.has_visitor()) {
      return -EAGAIN;
    }
    accepted = numbers().enter(one.first_visitor());
    one.let_in();
    return 0;
  });
  return outcome == 0 ? accepted : no_socket;
}

int connect(int fd, const sockaddr* to, socklen_t size) noexcept {
  return static_cast<int>(answer(fd,
                                 [&](simulated_socket& one) { return one.connect(net::endpoint::from(to, size)); }));
}

ssize_t receive(int fd, void* into, std::size_t size, int flags) noexcept {
  return answer(fd, [&](simulated_socket& one) {
    return one.receive(static_cast<std::byte*>(into), size, (flags & MSG_PEEK) != 0);
  });
}

ssize_t send(int fd, const msghdr& what) noexcept {
  return answer(fd, [&](simulated_socket& one) {
    ssize_t sum = 0;
    for (std::size_t i = 0; i < what.msg_iovlen; ++i) {
      const iovec& part = what.msg_iov[i];
      const ssize_t sent = one.send(static_cast<const std::byte*>(part.iov_base), part.iov_len);
      if (sent < 0) {
        return sum != 0 ? sum : sent;
      }
      sum += sent;
      if (static_cast<std::size_t>(sent) < part.iov_len) {
        break;
      }
    }
    return sum;
  });
}

int shut_down_write(int fd) noexcept {
  return static_cast<int>(answer(fd, [](simulated_socket& one) { return one.shut_down_write(); }));
}

int local_name(int fd, sockaddr* into, socklen_t* size) noexcept {
  return static_cast<int>(answer(fd, [&](const simulated_socket& one) { return name(one.local, into, size); }));
}

int remote_name(int fd, sockaddr* into, socklen_t* size) noexcept {
  return static_cast<int>(answer(fd, [&](const simulated_socket& one) {
    return one.has_partner() ? name(one.remote, into, size) : -ENOTCONN;
  }));
}

bool is_ready(int fd, short events) noexcept {
  const pointer one = numbers().find(fd);
  require_own_thread(*one);
  return (one->events() & (static_cast<std::uint32_t>(events) | EPOLLERR | EPOLLHUP)) != 0;
}

void watch(int fd, std::uint64_t token) noexcept {
  static_cast<void>(answer(fd, [&](simulated_socket& one) {
    one.watch(token);
    return 0;
  }));
}

void close(int fd) noexcept {
  const pointer one = numbers().leave(fd);
  if (!one->network().is_closed()) {
    require_own_thread(*one);
  }
  one->close();
}

}  // namespace martlet::detail::calls::simulated
