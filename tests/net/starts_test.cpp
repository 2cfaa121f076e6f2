#include <martlet/scheduler.hpp>

#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include <doctest/doctest.h>

#include <unistd.h>

#include <martlet/channel.hpp>
#include <martlet/net.hpp>

#include "event_loop.hpp"
#include "eventually.hpp"
#include "frames_in_use.hpp"
#include "scale.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::scheduler;
using martlet::status;
using martlet::task;
using martlet::net::endpoint;
using martlet::net::listener;

long entries_in(const char* folder) {
  return std::distance(std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator());
}

long resident_bytes() {
  std::ifstream file("/proc/self/statm");
  long size = 0;
  long resident = 0;
  file >> size >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

task<> one_connection(listener& door) {
  auto peer = co_await door.accept();
  std::array<std::byte, 8> buffer;
  const std::size_t count = co_await peer.read_some(buffer);
  co_await peer.write_all(std::span(buffer).first(count));
  co_await peer.read_some(buffer);  // until the scheduler ends
}

task<int> asks(endpoint where) {
  auto peer = co_await martlet::net::connect(where);
  std::array<std::byte, 1> letter{std::byte{'x'}};
  co_await peer.write_all(letter);
  co_return static_cast<int>(co_await peer.read_some(letter));
}

task<> sleeps() { co_await martlet::sleep_for(1h); }

// A scheduler's life with everything that it can have; `which` says how it is used and ended.
void live(int which) {
  martlet::channel<int> c;
  listener door(endpoint::localhost(0));
  scheduler pool({.workers = which % 3});
  pool.spawn(sleeps());
  pool.spawn([] { martlet::await(sleeps()); });
  pool.spawn([](martlet::channel<int>& in) -> task<> { co_await in.receive(); }(c));
  pool.spawn(one_connection(door));
  auto work = pool.spawn([](endpoint where) -> task<int> {
    co_await martlet::sleep_for(10us);
    const int here = co_await martlet::spawn([] { return 1; }).join();
    const int there = co_await asks(where);
    co_return here + there;
  }(door.local_endpoint()));
  int result = 0;
  if (which % 2 == 0) {
    result = pool.run_here(std::move(work));
  } else {
    martlet::guest host(pool);
    while (work.state() < status::done) {
      if (is_told(host, 1ms)) {
        host.poll();
      }
    }
    result = pool.block_on(std::move(work));
  }
  REQUIRE(result == 2);
  switch (which % 4) {
    case 0: pool.stop(); break;
    case 1: REQUIRE(pool.shutdown(0s, 60s).is_complete()); break;
    default: break;
  }
}

TEST_SUITE("starts and stops") {
  TEST_CASE("they leak no thread, no descriptor and no memory, with sockets, timers, lent threads and guests") {
    const int rounds = by_level(100, 1000);
    for (int i = 0; i < rounds / 5 + 12; ++i) {  // what is kept for good is there after the first few
      live(i);
    }
    const long threads = entries_in("/proc/self/task");
    const long files = entries_in("/proc/self/fd");
    const std::size_t frames = frames_in_use();
    const std::size_t stacks = martlet::detail::stacks().counts().taken;
    const long memory = resident_bytes();
    for (int i = 0; i < rounds; ++i) {
      live(i);
    }
    // The kernel takes ended threads off its list a moment later.
    CHECK(eventually([&] { return entries_in("/proc/self/task") <= threads; }));
    CHECK(entries_in("/proc/self/fd") == files);
    CHECK(frames_in_use() == frames);
    CHECK(martlet::detail::stacks().counts().taken == stacks);
    if constexpr (!is_watched) {  // a sanitizer keeps what was freed
      CHECK(resident_bytes() - memory < 4 << 20);
    }
  }
}

}  // namespace
