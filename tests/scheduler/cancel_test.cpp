#include <martlet/scheduler.hpp>

#include <chrono>
#include <thread>

#include <doctest/doctest.h>

#include "eventually.hpp"
#include "scale.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::cancelled;
using martlet::scheduler;
using martlet::status;
using martlet::task;
using counter = martlet::base::atomic<int>;

template <class Operation>
task<int> counts_throws(Operation make) {
  int threw = 0;
  for (int i = 0; i < 3; ++i) {
    try {
      co_await make();
    } catch (const cancelled&) {
      ++threw;
    }
  }
  co_return threw;
}

// A tasklet that has been asked to stop before it looks.
template <class Operation>
int throws_after_cancel(scheduler& pool, Operation make) {
  counter begun{0};
  counter may_go{0};
  auto h = pool.spawn([](counter& in, counter& go, Operation op) -> task<int> {
    ++in;
    while (go == 0) {
      std::this_thread::yield();
    }
    co_return co_await counts_throws(op);
  }(begun, may_go, make));
  CHECK(eventually([&] { return begun == 1; }));
  h.cancel();
  ++may_go;
  return pool.block_on(std::move(h));
}

TEST_SUITE("cancel") {
  TEST_CASE("it ends a sleep in either kind") {
    scheduler pool(2);
    auto coroutine = pool.spawn([]() -> task<> { co_await martlet::sleep_for(1h); });
    auto fiber = pool.spawn([] { martlet::await(martlet::sleep_for(1h)); });
    auto deep = pool.spawn([] { martlet::await([]() -> task<> { co_await martlet::sleep_for(1h); }()); });
    for (auto* h : {&coroutine, &fiber, &deep}) {
      REQUIRE(eventually([&] { return h->state() == status::blocked; }));
      h->cancel();
      CHECK_THROWS_AS(martlet::await(h->join()), cancelled);
      CHECK(h->state() == status::failed);
    }
  }

  TEST_CASE("it ends a join, and the child goes on") {
    scheduler pool(2);
    counter may_go{0};
    auto child = pool.spawn([](counter& go) -> task<int> {
      while (go == 0) {
        co_await martlet::sleep_for(1ms);
      }
      co_return 3;
    }(may_go));
    auto joiner = pool.spawn([&child]() -> task<int> { co_return co_await child.join(); });
    REQUIRE(eventually([&] { return joiner.state() == status::blocked; }));
    joiner.cancel();
    CHECK_THROWS_AS(pool.block_on(std::move(joiner)), cancelled);
    may_go = 1;
    CHECK(pool.block_on(std::move(child)) == 3);
  }

  TEST_CASE("it stays set: each later wait throws, also one that would not have waited") {
    scheduler pool(2);
    CHECK(throws_after_cancel(pool, [] { return martlet::sleep_for(1h); }) == 3);
    CHECK(throws_after_cancel(pool, [] { return martlet::sleep_for(0s); }) == 3);
    CHECK(throws_after_cancel(pool, [] { return martlet::yield(); }) == 3);
    auto done = pool.spawn([]() -> task<> { co_return; });
    REQUIRE(eventually([&] { return done.state() == status::done; }));
    CHECK(throws_after_cancel(pool, [&] { return done.join(); }) == 3);
  }

  TEST_CASE("a tasklet that never waits again is not disturbed") {
    scheduler pool(1);
    counter go{0};
    auto h = pool.spawn([](counter& may) -> task<int> {
      while (may == 0) {
        std::this_thread::yield();
      }
      co_return 4;
    }(go));
    h.cancel();
    go = 1;
    CHECK(pool.block_on(std::move(h)) == 4);
  }

  TEST_CASE("cancelling what has ended does nothing") {
    scheduler pool(1);
    auto h = pool.spawn([]() -> task<int> { co_return 1; });
    REQUIRE(eventually([&] { return h.state() == status::done; }));
    h.cancel();
    h.cancel();
    CHECK(pool.block_on(std::move(h)) == 1);
  }

  TEST_CASE("against a timer: a sleep ends once, by the one or the other") {
    scheduler pool(2);
    const int rounds = scaled(3000);
    int slept = 0;
    int stopped = 0;
    for (int i = 0; i < rounds; ++i) {
      auto h = pool.spawn([](int wait) -> task<int> {
        try {
          co_await martlet::sleep_for(std::chrono::microseconds(wait));
        } catch (const cancelled&) {
          co_return 0;
        }
        co_return 1;
      }(60 + i % 120));
      const auto until = std::chrono::steady_clock::now() + std::chrono::microseconds(90 + i % 97);
      while (std::chrono::steady_clock::now() < until) {}
      h.cancel();
      h.cancel();
      (pool.block_on(std::move(h)) == 1 ? slept : stopped) += 1;
    }
    CHECK(slept + stopped == rounds);
    MESSAGE("slept ", slept, ", stopped ", stopped);
  }

  TEST_CASE("against the end of a joined tasklet: the joiner goes on once") {
    scheduler pool(2);
    const int rounds = scaled(20'000);
    int joined = 0;
    int stopped = 0;
    for (int i = 0; i < rounds; ++i) {
      auto child = pool.spawn([](int yields) -> task<int> {
        for (int n = 0; n < yields; ++n) {
          co_await martlet::yield();
        }
        co_return 1;
      }(i % 7));
      auto joiner = pool.spawn([](martlet::handle<int> h) -> task<int> {
        try {
          co_return co_await h.join();
        } catch (const cancelled&) {}
        co_return 0;
      }(std::move(child)));
      joiner.cancel();
      (pool.block_on(std::move(joiner)) == 1 ? joined : stopped) += 1;
    }
    CHECK(joined + stopped == rounds);
    MESSAGE("joined ", joined, ", stopped ", stopped);
  }
}

}  // namespace
