// The client of all echo servers: one request of 64 bytes in flight on each connection, every reply checked.
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

using request = std::array<std::uint64_t, 8>;

struct connection {
  int socket = -1;
  request sent{};
  request reply{};
  std::size_t received = 0;  // bytes of the reply
};

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "client: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

int connect_to(std::uint16_t port) {
  const int opened = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int on = 1;
  if (opened < 0 || ::connect(opened, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0 ||
      ::setsockopt(opened, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) {
    fail("cannot connect");
  }
  return opened;
}

/// Sends the connection's next request, no two of which are the same.
void ask(connection& self) {
  for (std::uint64_t& word : self.sent) {
    word = word * 6'364'136'223'846'793'005U + static_cast<std::uint64_t>(self.socket);
  }
  self.received = 0;
  if (::send(self.socket, self.sent.data(), sizeof(request), MSG_NOSIGNAL) != sizeof(request)) {
    fail("cannot send");
  }
}

/// Returns   whether the reply to the connection's request is complete.
bool take_reply(connection& self) {
  char* const to = reinterpret_cast<char*>(self.reply.data()) + self.received;
  const ssize_t got = ::recv(self.socket, to, sizeof(request) - self.received, MSG_DONTWAIT);
  if (got <= 0) {
    fail(got == 0 ? "the server closed a connection" : "cannot receive");
  }
  self.received += static_cast<std::size_t>(got);
  if (self.received < sizeof(request)) {
    return false;
  }
  if (self.reply != self.sent) {
    errno = EBADMSG;
    fail("a reply is not what was sent");
  }
  return true;
}

}  // namespace

int main(int count, char** arguments) {
  const int port = count == 3 ? std::atoi(arguments[1]) : 0;
  const int connections = count == 3 ? std::atoi(arguments[2]) : 0;
  if (port <= 0 || connections <= 0) {
    std::fprintf(stderr, "usage: %s PORT CONNECTIONS\n", arguments[0]);
    return 2;
  }
  const int poll = ::epoll_create1(EPOLL_CLOEXEC);
  std::vector<connection> all(static_cast<std::size_t>(connections));
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i].socket = connect_to(static_cast<std::uint16_t>(port));
    all[i].sent.fill(i);
    epoll_event event{.events = EPOLLIN, .data = {.ptr = &all[i]}};
    if (::epoll_ctl(poll, EPOLL_CTL_ADD, all[i].socket, &event) != 0) {
      fail("cannot poll");
    }
  }
  for (connection& each : all) {
    ask(each);
  }
  using clock = std::chrono::steady_clock;
  const auto warm = clock::now() + std::chrono::milliseconds(300);
  const auto end = warm + std::chrono::seconds(1);
  std::array<epoll_event, 256> events;
  long replies = 0;  // between `warm` and `end`
  for (std::size_t in_flight = all.size(); in_flight != 0;) {
    const int ready = ::epoll_wait(poll, events.data(), static_cast<int>(events.size()), 10'000);
    if (ready <= 0) {
      fail("nothing arrives");
    }
    const auto now = clock::now();
    for (std::size_t i = 0; i < static_cast<std::size_t>(ready); ++i) {
      connection& from = *static_cast<connection*>(events[i].data.ptr);
      if (!take_reply(from)) {
        continue;
      }
      if (now < end) {
        replies += now >= warm ? 1 : 0;
        ask(from);
      } else {
        --in_flight;
      }
    }
  }
  for (const connection& each : all) {
    ::close(each.socket);
  }
  std::printf("rate %.3f\n", static_cast<double>(replies) / std::chrono::duration<double>(end - warm).count());
  return 0;
}
