#include <martlet/scheduler.hpp>

#include <chrono>
#include <thread>

#include <sys/resource.h>

#include <doctest/doctest.h>

#include "eventually.hpp"
#include "scale.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::scheduler;
using martlet::task;

// Returns   the processor time of this process, in milliseconds.
long used_ms() {
  rusage use{};
  ::getrusage(RUSAGE_SELF, &use);
  const auto of = [](const timeval& t) { return t.tv_sec * 1000 + t.tv_usec / 1000; };
  return of(use.ru_utime) + of(use.ru_stime);
}

TEST_SUITE("idle") {
  TEST_CASE("after work has stopped the workers sleep, with many tasklets parked too") {
    scheduler pool(2);
    for (int i = 0; i < scaled(20'000); ++i) {
      pool.spawn([]() -> task<> { co_await martlet::sleep_for(1h); });
    }
    for (int i = 0; i < fibers(100); ++i) {
      pool.spawn([] { martlet::await(martlet::sleep_for(1h)); });
    }
    pool.block_on([]() -> task<> { co_await martlet::sleep_for(1ms); }());
    // Until nobody looks any more, which takes as long as the machine makes it take.
    eventually([&] {
      const auto earlier = pool.statistics();
      std::this_thread::sleep_for(300ms);
      const auto later = pool.statistics();
      return earlier.naps == later.naps && earlier.sleeps == later.sleeps;
    });
    const long before = used_ms();
    const auto then = pool.statistics();
    std::this_thread::sleep_for(1s);
    const auto now = pool.statistics();
    CHECK(used_ms() - before < 50);
    CHECK(now.naps == then.naps);
    CHECK(now.sleeps == then.sleeps);
  }

  TEST_CASE("a timer now and then wakes only the worker that it belongs to, and nobody naps") {
    scheduler pool(3);
    martlet::base::atomic<int> beats{0};
    auto heart = pool.spawn([](martlet::base::atomic<int>& count) -> task<> {
      for (;;) {
        co_await martlet::sleep_for(2ms);
        ++count;
      }
    }(beats));
    CHECK(eventually([&] {
      const auto earlier = pool.statistics();
      const int first = beats;
      while (beats < first + 30) {
        std::this_thread::sleep_for(1ms);
      }
      const auto later = pool.statistics();
      return earlier.naps == later.naps && earlier.wakes == later.wakes;
    }));
    heart.cancel();
    CHECK_THROWS_AS(pool.block_on(std::move(heart)), martlet::cancelled);
  }

  TEST_CASE("a worker that sleeps wakes for a spawn from outside, again and again") {
    scheduler pool({.workers = 2, .spin = 0ns});
    const int rounds = scaled(200);
    for (int i = 0; i < rounds; ++i) {
      CHECK(pool.block_on([](int n) -> task<int> { co_return n; }(i)) == i);
      std::this_thread::sleep_for(1ms);
    }
    CHECK(pool.statistics().wakes > 0);
  }

  TEST_CASE("the figures of the statistics add up") {
    scheduler pool(2);
    const int count = scaled(10'000);
    pool.block_on([](int n) -> task<> {
      for (int i = 0; i < n; ++i) {
        co_await martlet::spawn([]() -> task<> { co_return; }).join();
      }
    }(count));
    const auto all = pool.statistics();
    CHECK(all.spawned == static_cast<std::uint64_t>(count) + 1);
    CHECK(all.ended == all.spawned);
    CHECK(all.resumed >= all.spawned);
  }
}

}  // namespace
