#include <chrono>
#include <cstdlib>
#include <thread>

#include <doctest/doctest.h>

#include <martlet/scheduler.hpp>

#include "in_child.hpp"
#include "scale.hpp"
#include "thread_now.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::scheduler;
using martlet::task;

TEST_SUITE("migrate_always") {
  TEST_CASE("every wait changes the thread, in either kind") {
    scheduler pool({.workers = 2, .migrate_always = true});
    constexpr int rounds = scaled(2000);
    const auto moves = [](auto wait) -> task<int> {
      int moved = 0;
      for (int i = 0; i < rounds; ++i) {
        const auto before = thread_now();
        co_await wait();
        moved += thread_now() == before ? 0 : 1;
      }
      co_return moved;
    };
    CHECK(pool.block_on(moves([] { return martlet::yield(); })) == rounds);
    CHECK(pool.block_on(moves([]() -> task<> { co_await martlet::spawn([]() -> task<> { co_return; }()).join(); })) >=
          rounds / 2);
    CHECK(pool.block_on(pool.spawn([] {
      int moved = 0;
      for (int i = 0; i < rounds; ++i) {
        const auto before = thread_now();
        martlet::await(martlet::yield());
        moved += thread_now() == before ? 0 : 1;
      }
      return moved;
    })) == rounds);
  }

  TEST_CASE("who is pinned stays") {
    scheduler pool({.workers = 2, .migrate_always = true});
    CHECK(pool.block_on([]() -> task<int> {
      const martlet::pin here;
      const auto before = thread_now();
      int moved = 0;
      for (int i = 0; i < 100; ++i) {
        co_await martlet::yield();
        moved += thread_now() == before ? 0 : 1;
      }
      co_return moved;
    }()) == 0);
  }

  TEST_CASE("one worker, or none of its own, works too") {
    scheduler one({.workers = 1, .migrate_always = true});
    one.block_on([]() -> task<> { co_await martlet::yield(); }());
    scheduler none({.workers = 0, .migrate_always = true});
    none.run_here([]() -> task<> { co_await martlet::yield(); }());
  }

  TEST_CASE("the environment can ask for it, and what it cannot mean is refused") {
    const auto end = in_child([] {
      ::setenv("MARTLET_MIGRATE", "always", 1);
      {
        scheduler pool(2);
        const bool moved = pool.block_on([]() -> task<bool> {
          const auto before = thread_now();
          co_await martlet::yield();
          co_return thread_now() != before;
        }());
        std::fputs(moved ? "moved\n" : "stayed\n", stderr);
      }
      ::setenv("MARTLET_MIGRATE", "often", 1);
      try {
        scheduler pool(2);
      } catch (const martlet::misuse& e) {
        std::fputs(e.what(), stderr);
      }
    });
    CHECK(end.said("moved\n"));
    CHECK(end.said("found \"often\""));
  }
}

}  // namespace
