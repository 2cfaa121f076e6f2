// A worker that is inside one tasklet for long does not look after its sockets; a neighbour does.
#include <martlet/net.hpp>

#include <array>
#include <chrono>
#include <thread>

#include <doctest/doctest.h>

#include "eventually.hpp"
#include "scale.hpp"
#include "wire.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::await;
using martlet::scheduler;
using martlet::task;
using martlet::net::stream;
using flag = martlet::base::atomic<bool>;
using clock_type = std::chrono::steady_clock;

task<> reads(stream& from, flag& done) {
  std::array<std::byte, 16> buffer;
  done = co_await from.read_some(buffer) == 1;
}

// Until `done`, or for so long that it can only be a failure.
bool computes_until(const flag& done) {
  const auto end = clock_type::now() + 20s;
  while (!done && clock_type::now() < end) {}
  return done;
}

// Makes `from` known to this worker's epoll, starts a reader of it, and computes until that one has read.
task<bool> holds_its_worker(stream& trigger, stream& from, flag& is_held) {
  const martlet::pin here;
  std::array<std::byte, 16> buffer;
  try {
    co_await martlet::within(100us, from.read_some(buffer));
  } catch (const martlet::deadline_passed&) {}
  flag done{false};
  bool was_served = false;
  co_await martlet::in_scope([&](martlet::scope& s) -> task<> {
    s.spawn(reads(from, done));
    co_await trigger.read_some(buffer);  // everybody sleeps until then
    is_held = true;
    was_served = computes_until(done);
  });
  co_return was_served;
}

TEST_SUITE("a neighbour") {
  TEST_CASE("serves the sockets of a worker that is inside one tasklet") {
    scheduler pool(2);
    for (const auto pause : {0ms, 1ms, 100ms}) {
      CAPTURE(pause.count());
      auto [trigger, start] = connected();
      auto [watched, far] = connected();
      flag is_held{false};
      auto busy = pool.spawn(holds_its_worker(trigger, watched, is_held));
      std::this_thread::sleep_for(80ms);  // no worker watches any more
      const std::array<std::byte, 1> one{};
      await(start.write_all(one));
      REQUIRE(eventually([&] { return is_held.load(); }));
      std::this_thread::sleep_for(pause);
      await(far.write_all(one));
      CHECK(pool.block_on(std::move(busy)));
    }
  }

  TEST_CASE("takes no interrupt away from a worker that comes back to sleep") {
    scheduler pool(2);
    const int rounds = scaled(2000);
    auto [near, far] = connected();
    auto echo = pool.spawn([](stream& at, int n) -> task<> {
      const martlet::pin here;
      std::array<std::byte, 16> buffer;
      for (int i = 0; i < n; ++i) {
        co_await at.read_some(buffer);
        const auto end = clock_type::now() + std::chrono::microseconds(i % 5 == 0 ? 900 : 1);
        while (clock_type::now() < end) {}
        co_await at.write_all(std::span<const std::byte>(buffer).first(1));
      }
    }(near, rounds));
    // Pinned, and woken from here by a wake-up that only the sleeping worker may take.
    martlet::channel<int> calls;
    auto called = pool.spawn([](martlet::channel<int>& in) -> task<int> {
      const martlet::pin here;
      int sum = 0;
      while (auto n = co_await in.receive()) {
        sum += *n;
      }
      co_return sum;
    }(calls));
    const std::array<std::byte, 1> one{};
    std::array<std::byte, 16> buffer;
    for (int i = 0; i < rounds; ++i) {
      await(far.write_all(one));
      await(calls.send(1));
      CHECK(await(far.read_some(buffer)) == 1);
    }
    calls.close();
    CHECK(pool.block_on(std::move(called)) == rounds);
    pool.block_on(std::move(echo));
  }
}

}  // namespace
