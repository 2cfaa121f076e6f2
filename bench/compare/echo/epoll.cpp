// An echo server by hand: each thread has a loop over its epoll; the first one accepts and hands connections out.
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../support.hpp"

namespace {

/// What the threads share.
struct server {
  int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int end = ::eventfd(0, EFD_CLOEXEC);  // readable for all when the last connection was closed
  std::vector<int> polls;
  long expected = 0;
  long accepted = 0;
  std::atomic<long> closed = 0;
  std::atomic<long> bytes = 0;
  double cpu_before = 0;
  double cpu_after = 0;
};

void watch(int poll, int descriptor) {
  epoll_event event{.events = EPOLLIN, .data = {.fd = descriptor}};
  ::epoll_ctl(poll, EPOLL_CTL_ADD, descriptor, &event);
}

void accept_one(server& self) {
  const int accepted = ::accept4(self.listener, nullptr, nullptr, SOCK_CLOEXEC);
  if (self.accepted == 0) {
    self.cpu_before = cpu_seconds();
  }
  const int on = 1;
  ::setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  watch(self.polls[static_cast<std::size_t>(self.accepted) % self.polls.size()], accepted);
  if (++self.accepted == self.expected) {
    ::close(self.listener);
  }
}

/// Returns   how many bytes came and went, 0 when the connection was closed.
long echo(int socket) {
  std::array<char, 4096> buffer;
  const ssize_t got = ::recv(socket, buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (got <= 0 || ::send(socket, buffer.data(), static_cast<std::size_t>(got), MSG_NOSIGNAL) != got) {
    ::close(socket);
    return 0;
  }
  return got;
}

void serve(server& self, int poll) {
  std::array<epoll_event, 256> events;
  long bytes = 0;
  for (;;) {
    const int ready = ::epoll_wait(poll, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < ready; ++i) {
      const int descriptor = events[static_cast<std::size_t>(i)].data.fd;
      if (descriptor == self.end) {
        self.bytes += bytes;
        return;
      }
      if (descriptor == self.listener) {
        accept_one(self);
      } else if (const long echoed = echo(descriptor); echoed != 0) {
        bytes += echoed;
      } else if (++self.closed == self.expected) {
        self.cpu_after = cpu_seconds();
        ::eventfd_write(self.end, 1);
      }
    }
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) {
    std::fprintf(stderr, "usage: %s THREADS CONNECTIONS\n", arguments[0]);
    return 2;
  }
  server self;
  self.expected = std::atol(arguments[2]);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(self.listener, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(self.listener, 4096) != 0 ||
      ::getsockname(self.listener, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    std::perror("cannot listen");
    return 1;
  }
  for (int i = 0; i < std::atoi(arguments[1]); ++i) {
    self.polls.push_back(::epoll_create1(EPOLL_CLOEXEC));
    watch(self.polls.back(), self.end);
  }
  watch(self.polls[0], self.listener);
  std::printf("port %d\n", ntohs(address.sin_port));
  std::fflush(stdout);
  {
    std::vector<std::jthread> others;
    for (std::size_t i = 1; i < self.polls.size(); ++i) {
      others.emplace_back(serve, std::ref(self), self.polls[i]);
    }
    serve(self, self.polls[0]);
  }
  const double requests = static_cast<double>(self.bytes) / 64;
  std::printf("cpu_us %.3f\n", 1e6 * (self.cpu_after - self.cpu_before) / requests);
  return 0;
}
