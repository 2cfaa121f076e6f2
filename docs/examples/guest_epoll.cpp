// An event loop of one's own drives a scheduler: a plain epoll, with a timer and a pipe of its own, beside tasklets that
// use channels, timers and sockets. Everything runs on one thread.
#include <array>
#include <cstdint>
#include <cstdio>
#include <span>
#include <thread>

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <martlet/martlet.hpp>
#include <martlet/net.hpp>

using namespace std::chrono_literals;

// A server for one connection, and its client.
martlet::task<> echo(martlet::net::listener& door) {
  auto peer = co_await door.accept();
  std::array<std::byte, 64> buffer;
  for (;;) {
    const std::size_t count = co_await peer.read_some(buffer);
    if (count == 0) {
      co_return;
    }
    co_await peer.write_all(std::span(buffer).first(count));
  }
}

martlet::task<int> ask(martlet::net::endpoint where, int times) {
  auto peer = co_await martlet::net::connect(where);
  std::array<std::byte, 4> buffer{};
  int answers = 0;
  for (int i = 0; i < times; ++i) {
    co_await peer.write_all(buffer);
    for (std::size_t got = 0; got < buffer.size();) {
      got += co_await peer.read_some(std::span(buffer).subspan(got));
    }
    co_await martlet::sleep_for(1ms);
    ++answers;
  }
  co_return answers;
}

struct loop {
  int epoll = ::epoll_create1(EPOLL_CLOEXEC);

  void add(int fd) const {
    epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
    ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
  }
};

int main() {
  martlet::channel<int> lines(4);  // from the loop's callbacks to a tasklet
  martlet::scheduler pool({.workers = 0});
  martlet::guest guest(pool);

  const int timer = ::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  const itimerspec every{.it_interval = {0, 2'000'000}, .it_value = {0, 2'000'000}};
  ::timerfd_settime(timer, 0, &every, nullptr);
  int pipe[2];
  if (::pipe(pipe) != 0) {
    return 1;
  }
  const loop mine;
  mine.add(guest.event_fd());
  mine.add(timer);
  mine.add(pipe[0]);

  martlet::net::listener door(martlet::net::endpoint::localhost(0));
  auto server = pool.spawn(echo(door));
  auto client = pool.spawn(ask(door.local_endpoint(), 20));
  auto sum = pool.spawn([&lines] {  // a fiber
    int total = 0;
    while (auto line = martlet::await(lines.receive())) {
      total += *line;
    }
    return total;
  });
  std::thread other([&] {  // somebody else, who knows the pipe only
    for (int i = 0; i < 10; ++i) {
      std::this_thread::sleep_for(1ms);
      static_cast<void>(!::write(pipe[1], "x", 1));
    }
    ::close(pipe[1]);
  });

  int ticks = 0;
  const auto has_ended = [](const auto& handle) { return handle.state() >= martlet::status::done; };
  while (!has_ended(server) || !has_ended(client) || !has_ended(sum)) {
    std::array<epoll_event, 8> events;
    const int count = ::epoll_wait(mine.epoll, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < count; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      if (fd == guest.event_fd()) {
        guest.poll({.turns = 32});  // what is left over makes the descriptor readable again
      } else if (fd == timer) {
        std::uint64_t times = 0;
        ticks += ::read(timer, &times, sizeof times) == sizeof times ? 1 : 0;
      } else if (char letter = 0; ::read(pipe[0], &letter, 1) == 1) {
        int one = 1;
        lines.try_send(one);  // a callback must not wait, so it tries
      } else {
        ::epoll_ctl(mine.epoll, EPOLL_CTL_DEL, pipe[0], nullptr);
        lines.close();
      }
    }
  }
  other.join();
  const int answers = pool.block_on(std::move(client));  // has ended: does not block
  const int letters = pool.block_on(std::move(sum));
  std::printf("%d answers, %d letters, %d ticks\n", answers, letters, ticks);
  ::close(pipe[0]);
  ::close(timer);
  ::close(mine.epoll);
  return answers == 20 && letters == 10 && ticks != 0 ? 0 : 1;
}
