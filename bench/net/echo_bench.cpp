// An echo of 64 bytes over loopback: tasklets against the plainest epoll loop, under the same client, turn about in one
// run. With --check it fails where tasklets answer less than 0.9 times as many requests.
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string_view>
#include <thread>
#include <vector>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <martlet/martlet.hpp>
#include <martlet/net.hpp>

namespace {

using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;

constexpr std::size_t message = 64;
constexpr double limit = 0.9;
constexpr int rounds = 15;
constexpr auto a_round = 200ms;

void require(bool holds, const char* what) {
  if (!holds) {
    std::perror(what);
    std::exit(2);
  }
}

void watch(int epoll, int fd) {
  epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
  require(::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
}

// The plain loop: level-triggered, one thread, one buffer, no state.
class plain_server {
 public:
  plain_server() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)), epoll_(::epoll_create1(0)) {
    sockaddr_in address{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
    require(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0, "bind");
    require(::listen(listener_, 1024) == 0, "listen");
    watch(epoll_, listener_);
    thread_ = std::thread([this] { loop(); });
  }
  ~plain_server() {
    stop_ = true;
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
    ::close(epoll_);
  }

  std::uint16_t port() const {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    return ntohs(address.sin_port);
  }

 private:
  void loop() {
    std::array<epoll_event, 256> events;
    std::array<char, 4096> buffer;
    while (!stop_) {
      const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
      for (int i = 0; i < count; ++i) {
        const int fd = events[static_cast<std::size_t>(i)].data.fd;
        if (fd == listener_) {
          if (const int accepted = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK); accepted >= 0) {
            const int on = 1;
            ::setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            watch(epoll_, accepted);
          }
          continue;
        }
        const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), 0);
        if (got <= 0 || ::send(fd, buffer.data(), static_cast<std::size_t>(got), MSG_NOSIGNAL) != got) {
          ::close(fd);
        }
      }
    }
  }

  int listener_;
  int epoll_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

martlet::task<> serve(martlet::net::stream peer) {
  std::array<std::byte, 4096> buffer;
  while (const std::size_t count = co_await peer.read_some(buffer)) {
    co_await peer.write_all(std::span(buffer).first(count));
  }
}

class tasklet_server {
 public:
  tasklet_server() { pool_.spawn(accept()); }
  std::uint16_t port() const { return door_.local_endpoint().port(); }

 private:
  martlet::task<> accept() {
    for (;;) {
      martlet::spawn(serve(co_await door_.accept()));
    }
  }

  martlet::net::listener door_{martlet::net::endpoint::localhost(0)};
  martlet::scheduler pool_{
      martlet::scheduler_options{.workers = 1, .lent_threads = 0}};  // gone first, with its tasklets
};

struct rate {
  double per_second = 0;
  double server_us = 0;  // processor time of all threads but the client's, a request
};

double seconds_of(int who) {
  rusage use{};
  ::getrusage(who, &use);
  const auto of = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return of(use.ru_utime) + of(use.ru_stime);
}

// The client: `connections` of them, one request in flight on each.
rate drive(std::uint16_t port, int connections) {
  const int epoll = ::epoll_create1(0);
  std::vector<int> all;
  sockaddr_in address{
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
  for (int i = 0; i < connections; ++i) {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    require(fd >= 0 && ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0, "connect");
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    watch(epoll, fd);
    all.push_back(fd);
  }
  std::array<char, message> request{};
  std::array<char, message> reply{};
  for (const int fd : all) {
    require(::send(fd, request.data(), message, 0) == message, "send");
  }
  const auto warm = clock_type::now() + a_round / 4;
  const auto end = warm + a_round;
  auto start = clock_type::time_point();
  long done = 0;
  double server = 0;
  std::array<epoll_event, 256> events;
  for (auto now = clock_type::now(); now < end; now = clock_type::now()) {
    if (start == clock_type::time_point() && now >= warm) {
      start = now;
      done = 0;
      server = seconds_of(RUSAGE_SELF) - seconds_of(RUSAGE_THREAD);
    }
    const int count = ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), 1000);
    require(count > 0, "an answer in a second");
    for (int i = 0; i < count; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      require(::recv(fd, reply.data(), message, MSG_WAITALL) == message, "recv");
      require(::send(fd, request.data(), message, 0) == message, "send");
      ++done;
    }
  }
  server = seconds_of(RUSAGE_SELF) - seconds_of(RUSAGE_THREAD) - server;
  const double seconds = std::chrono::duration<double>(clock_type::now() - start).count();
  for (const int fd : all) {  // each has one answer to come
    require(::recv(fd, reply.data(), message, MSG_WAITALL) == message, "recv");
    ::close(fd);
  }
  ::close(epoll);
  return {.per_second = static_cast<double>(done) / seconds, .server_us = server * 1e6 / static_cast<double>(done)};
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace

int main(int count, char** arguments) {
  const bool checks = count == 2 && std::string_view(arguments[1]) == "--check";
  if (count > 2 || (count == 2 && !checks)) {
    std::fprintf(stderr, "usage: %s [--check]\n", arguments[0]);
    return 2;
  }
  bool holds = true;
  std::printf("echo of %zu bytes, one server thread, one client thread; medians of %d rounds, turn about\n", message,
              rounds);
  for (const int connections : {1, 64}) {
    std::vector<double> plain;
    std::vector<double> tasklets;
    std::vector<double> ratios;
    std::vector<double> plain_us;
    std::vector<double> tasklets_us;
    for (int i = 0; i < rounds; ++i) {
      const rate a = drive(plain_server().port(), connections);
      const rate b = drive(tasklet_server().port(), connections);
      plain.push_back(a.per_second);
      plain_us.push_back(a.server_us);
      tasklets.push_back(b.per_second);
      tasklets_us.push_back(b.server_us);
      ratios.push_back(b.per_second / a.per_second);
    }
    const double ratio = median(ratios);  // of neighbours in time, so that a disturbance hits both
    holds = holds && ratio >= limit;
    std::printf(
        "%3d connections: epoll loop %7.0f/s (%.2f us of CPU each), tasklets %7.0f/s (%.2f us), ratio %.3f "
        "(rounds %.3f to %.3f), limit %.2f\n",
        connections, median(plain), median(plain_us), median(tasklets), median(tasklets_us), ratio,
        *std::min_element(ratios.begin(), ratios.end()), *std::max_element(ratios.begin(), ratios.end()), limit);
  }
  return checks && !holds ? 1 : 0;
}
