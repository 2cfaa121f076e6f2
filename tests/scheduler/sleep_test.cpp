#include <martlet/scheduler/sleep.hpp>

#include <chrono>
#include <mutex>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <martlet/scheduler.hpp>

#include "eventually.hpp"
#include "scale.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::scheduler;
using martlet::task;
using clock_type = std::chrono::steady_clock;
using counter = martlet::base::atomic<int>;

TEST_SUITE("sleep") {
  TEST_CASE("it never ends early, in either kind and on a thread") {
    scheduler pool(2);
    for (const auto wait : {1us, 30us, 65us, 66us, 131us, 1000us, 4194us, 5000us}) {
      const auto coroutine = [](std::chrono::microseconds time) -> task<bool> {
        const auto start = clock_type::now();
        co_await martlet::sleep_for(time);
        co_return clock_type::now() - start >= time;
      };
      CHECK(pool.block_on(coroutine(wait)));
      const auto blocking = [wait] {
        const auto start = clock_type::now();
        martlet::await(martlet::sleep_for(wait));
        return clock_type::now() - start >= wait;
      };
      CHECK(pool.block_on(pool.spawn(blocking)));
      CHECK(blocking());
    }
  }

  TEST_CASE("no time at all does not wait") {
    scheduler pool(1);
    pool.block_on([]() -> task<> {
      co_await martlet::sleep_for(0s);
      co_await martlet::sleep_for(-1h);
      co_await martlet::sleep_until(clock_type::now() - 1s);
    }());
    martlet::await(martlet::sleep_for(0s));
  }

  TEST_CASE("a moment is waited for as a time is") {
    scheduler pool(1);
    CHECK(pool.block_on([]() -> task<bool> {
      const auto moment = clock_type::now() + 3ms;
      co_await martlet::sleep_until(moment);
      co_return clock_type::now() >= moment;
    }()));
  }

  TEST_CASE("sleepers wake in the order of their times, however they were entered") {
    scheduler pool(martlet::scheduler_options{.workers = 1, .lent_threads = 0});
    std::vector<int> woken;
    pool.block_on([](std::vector<int>& out) -> task<> {
      const auto start = clock_type::now() + 5ms;
      const auto one = [](std::vector<int>& all, clock_type::time_point zero, int turn) -> task<> {
        co_await martlet::sleep_until(zero + turn * 1ms);
        all.push_back(turn);
      };
      std::vector<martlet::handle<>> all;
      for (const int turn : {5, 1, 4, 0, 3, 7, 2, 6}) {
        all.push_back(martlet::spawn(one(out, start, turn)));
      }
      for (auto& h : all) {
        co_await h.join();
      }
    }(woken));
    CHECK(woken == std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7});
  }

  TEST_CASE("one that sleeps for ever can still be cancelled, and keeps nobody awake") {
    scheduler pool(1);
    for (const auto moment :
         {clock_type::time_point::max(), clock_type::time_point::max() - 1ns, clock_type::time_point::max() - 100us}) {
      auto h = pool.spawn([](clock_type::time_point until) -> task<> { co_await martlet::sleep_until(until); }(moment));
      REQUIRE(eventually([&] { return h.state() == martlet::status::blocked; }));
      std::this_thread::sleep_for(60ms);
      const auto before = pool.statistics();
      std::this_thread::sleep_for(60ms);
      const auto after = pool.statistics();
      CHECK(after.sleeps + after.naps - before.sleeps - before.naps < 100);
      h.cancel();
      CHECK_THROWS_AS(pool.block_on(std::move(h)), martlet::cancelled);
    }
  }

  TEST_CASE("a timer fires while another tasklet, which a timer began too, holds its worker") {
    scheduler pool(2);
    for (const auto gap : {5ms, 30ms, 200ms, 1500ms}) {
      CAPTURE(gap.count());
      martlet::base::atomic<bool> rang{false};
      const auto begin = clock_type::now() + 80ms;  // until then everybody sleeps deeply
      auto bell = pool.spawn([](martlet::base::atomic<bool>& ring, clock_type::time_point when) -> task<> {
        co_await martlet::sleep_until(when);
        ring = true;
      }(rang, begin + gap));
      auto busy = pool.spawn([](martlet::base::atomic<bool>& ring, clock_type::time_point when) -> task<bool> {
        co_await martlet::sleep_until(when);
        const auto end = clock_type::now() + 10s;
        while (!ring && clock_type::now() < end) {}
        co_return ring;
      }(rang, begin));
      CHECK(pool.block_on(std::move(busy)));
      pool.block_on(std::move(bell));
    }
  }

  TEST_CASE("many sleep at once") {
    scheduler pool(2);
    counter early{0}, woken{0};
    const int count = by_level(50'000, 1'000'000);
    pool.block_on([](counter& wrong, counter& done, int sleepers) -> task<> {
      co_await martlet::in_scope([&](martlet::scope& s) -> task<> {
        const auto one = [](counter& bad, counter& good, std::chrono::nanoseconds time) -> task<> {
          const auto start = clock_type::now();
          co_await martlet::sleep_for(time);
          bad += clock_type::now() - start >= time ? 0 : 1;
          ++good;
        };
        for (int i = 0; i < sleepers; ++i) {
          s.spawn(one(wrong, done, std::chrono::nanoseconds((i * 7919L) % 200'000'000)));
        }
        co_return;
      });
    }(early, woken, count));
    CHECK(early == 0);
    CHECK(woken == count);
  }
}

}  // namespace
