#include <martlet/scheduler.hpp>

#include <chrono>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "eventually.hpp"
#include "scale.hpp"
#include "thread_now.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::scheduler;
using martlet::task;
using counter = martlet::base::atomic<int>;

// Returns   how often it found itself on another thread than the first.
template <class Wait>
task<int> stays(int rounds, Wait wait) {
  const martlet::pin here;
  const auto home = thread_now();
  int moved = 0;
  for (int i = 0; i < rounds; ++i) {
    co_await wait();
    moved += thread_now() == home ? 0 : 1;
  }
  co_return moved;
}

TEST_SUITE("pinned") {
  TEST_CASE("a pinned tasklet stays on its worker through yields, sleeps and joins") {
    scheduler pool(3);
    std::vector<martlet::handle<int>> all;
    const int rounds = scaled(2000);
    for (int i = 0; i < 6; ++i) {
      all.push_back(pool.spawn(stays(rounds, [] { return martlet::yield(); })));
      all.push_back(pool.spawn(stays(20, [] { return martlet::sleep_for(1ms); })));
    }
    const auto waits = [&]() -> task<int> {
      const martlet::pin here;
      const auto home = thread_now();
      int moved = 0;
      for (int i = 0; i < 300; ++i) {
        co_await martlet::spawn([]() -> task<> { co_await martlet::yield(); }).join();
        moved += thread_now() == home ? 0 : 1;
      }
      co_return moved;
    };
    all.push_back(pool.spawn(waits()));
    for (auto& h : all) {
      CHECK(martlet::await(h.join()) == 0);
    }
  }

  TEST_CASE("a pinned fiber stays too") {
    scheduler pool(2);
    auto h = pool.spawn([] {
      const martlet::pin here;
      const auto home = thread_now();
      int moved = 0;
      for (int i = 0; i < 300; ++i) {
        martlet::await(i % 10 == 0 ? martlet::spawn([]() -> task<> { co_await martlet::sleep_for(100us); }).join()
                                   : martlet::spawn([]() -> task<> { co_return; }).join());
        moved += thread_now() == home ? 0 : 1;
      }
      return moved;
    });
    CHECK(pool.block_on(std::move(h)) == 0);
  }

  TEST_CASE("a wake from elsewhere wakes its worker, however deep it sleeps") {
    scheduler pool(4);
    for (int round = 0; round < 5; ++round) {
      std::vector<martlet::handle<int>> all;
      std::vector<martlet::handle<>> sleepers;
      sleepers.reserve(4);  // they are referred to
      for (int i = 0; i < 4; ++i) {
        sleepers.push_back(pool.spawn([]() -> task<> { co_await martlet::sleep_for(1h); }));
        all.push_back(pool.spawn([](martlet::handle<>& of) -> task<int> {
          const martlet::pin here;
          const auto home = thread_now();
          try {
            co_await of.join();
          } catch (const martlet::cancelled&) {}
          co_return thread_now() == home ? 1 : 0;
        }(sleepers.back())));
      }
      for (auto& h : all) {
        REQUIRE(eventually([&] { return h.state() == martlet::status::blocked; }));
      }
      std::this_thread::sleep_for(100ms);  // long enough for every worker to stop looking
      for (auto& h : sleepers) {
        h.cancel();
      }
      for (auto& h : all) {
        CHECK(martlet::await(h.join()) == 1);
      }
    }
  }

  TEST_CASE("pins nest") {
    scheduler pool(2);
    CHECK(pool.block_on(pool.spawn([]() -> task<int> {
      const martlet::pin here;
      { const martlet::pin again; }
      co_return co_await stays(500, [] { return martlet::yield(); });
    })) == 0);
  }

  TEST_CASE("afterwards it moves again") {
    scheduler pool(2);
    counter moved{0};
    counter go{0};
    auto h = pool.spawn([&]() -> task<> {
      {
        const martlet::pin here;
        co_await martlet::yield();
      }
      const auto home = thread_now();
      while (moved == 0) {
        // Somebody sits on this worker until we are gone: only the other one can take us.
        martlet::spawn([&go, home] {
          while (go == 0 && thread_now() == home) {
            std::this_thread::yield();
          }
        });
        co_await martlet::yield();
        moved += thread_now() == home ? 0 : 1;
      }
      go = 1;
    });
    pool.block_on(std::move(h));
    CHECK(moved == 1);
  }

  TEST_CASE("on a plain thread it does nothing") {
    const martlet::pin nothing;
    CHECK(martlet::this_tasklet::id() == martlet::tasklet_id());
  }

  TEST_CASE("those that only yield keep nobody else out") {
    scheduler pool(1);
    counter done{0};
    for (int i = 0; i < 2; ++i) {
      pool.spawn([&done]() -> task<> {
        const martlet::pin here;
        while (done != 3) {
          co_await martlet::yield();
        }
      });
    }
    pool.spawn([&done]() -> task<> {
      co_await martlet::spawn([]() -> task<> { co_await martlet::yield(); }()).join();
      co_await martlet::sleep_for(1ms);
      ++done;
    });
    for (int i = 0; i < 2; ++i) {
      CHECK(eventually([&] { return done >= i; }));
      martlet::await(pool.spawn([&done] { ++done; }).join());  // from outside
    }
    CHECK(eventually([&] { return done == 3; }));
  }
}

}  // namespace
