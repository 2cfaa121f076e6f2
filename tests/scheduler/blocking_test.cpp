#include <martlet/scheduler.hpp>

#include <chrono>
#include <memory>
#include <mutex>
#include <numeric>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <unistd.h>

#include "eventually.hpp"
#include "forbid_threads.hpp"
#include "gate.hpp"
#include "in_child.hpp"
#include "narrow_pool.hpp"
#include "scale.hpp"
#include "thread_now.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::blocking;
using martlet::cancelled;
using martlet::handle;
using martlet::scheduler;
using martlet::status;
using martlet::task;
using counter = martlet::base::atomic<int>;

auto threads_of(const scheduler& pool) { return pool.statistics().blocking_threads; }

TEST_SUITE("blocking") {
  TEST_CASE("it gives what the function returns: a value, a reference, what can only be moved, nothing") {
    scheduler pool(2);
    int place = 3;
    bool called = false;
    auto all = [&]() -> task<int> {
      int sum = co_await blocking([] { return 39; });
      int& where = co_await blocking([&]() -> int& { return place; });
      where += 1;
      auto gives = [kept = std::make_unique<int>(1)]() mutable { return std::move(kept); };
      const std::unique_ptr<int> one = co_await blocking(std::ref(gives));
      sum += *one;
      co_await blocking([&] { called = true; });
      co_return sum + where;
    };
    CHECK(pool.block_on(all()) == 44);
    CHECK(place == 4);
    CHECK(called);
    auto fiber = pool.spawn([&] {
      const int& where = martlet::await(blocking([&]() -> const int& { return place; }));
      CHECK(&where == &place);
      return *martlet::await(blocking([] { return std::make_unique<std::string>("moved"); }));
    });
    CHECK(pool.block_on(std::move(fiber)) == "moved");
  }

  TEST_CASE("what the function throws is thrown by the wait") {
    scheduler pool(2);
    auto coroutine = pool.spawn([]() -> task<> { co_await blocking([] { throw std::out_of_range("too far"); }); });
    CHECK_THROWS_WITH_AS(pool.block_on(std::move(coroutine)), "too far", std::out_of_range);
    auto fiber =
        pool.spawn([] { return martlet::await(blocking([]() -> int { throw std::out_of_range("too far"); })); });
    CHECK_THROWS_WITH_AS(pool.block_on(std::move(fiber)), "too far", std::out_of_range);
  }

  TEST_CASE("the function runs on a thread that is no worker and runs no tasklet") {
    scheduler pool(1);
    auto h = pool.spawn([]() -> task<bool> {
      const auto worker = thread_now();
      co_return co_await blocking([worker] {
        return thread_now() != worker && martlet::detail::current_host() == nullptr;
      });
    });
    CHECK(pool.block_on(std::move(h)));
  }

  TEST_CASE("on a plain thread it is a plain call") {
    const auto here = thread_now();
    CHECK(martlet::await(blocking([&] { return thread_now() == here; })));
    CHECK_THROWS_AS(martlet::await(blocking([] { throw std::out_of_range("too far"); })), std::out_of_range);
  }

  TEST_CASE("there is no thread before the first call, and none a while after the last") {
    scheduler pool({.workers = 1, .blocking_idle = 1ms});
    CHECK(threads_of(pool) == 0);
    for (int i = 0; i < 5; ++i) {
      CHECK(pool.block_on([]() -> task<int> { co_return co_await blocking([] { return 1; }); }()) == 1);
      CHECK(eventually([&] { return threads_of(pool) == 0; }));
    }
  }

  TEST_CASE("calls that follow each other are made by one thread, however soon the next one comes") {
    scheduler pool({.workers = 2, .blocking_idle = 1h});
    pool.block_on([]() -> task<> {
      for (int i = 0; i < scaled(2000); ++i) {
        co_await blocking([] {});
      }
    }());
    CHECK(threads_of(pool) == 1);
    CHECK(running(pool) == 0);
  }

  TEST_CASE("no more calls are made at once than there may be threads, and as many if there are") {
    constexpr int most = 3;
    scheduler pool(narrow(most));
    gate door;
    counter now{0};
    counter highest{0};
    std::vector<handle<>> all;
    for (int i = 0; i < 20; ++i) {
      all.push_back(pool.spawn([](gate& g, counter& in, counter& high) -> task<> {
        co_await blocking([&] {
          const int with_me = ++in;
          for (int seen = high; seen < with_me && !high.compare_exchange_weak(seen, with_me);) {}
          g.pass();
          --in;
        });
      }(door, now, highest)));
    }
    CHECK(eventually([&] { return door.came() == most && queued(pool) == 20 - most; }));
    CHECK(threads_of(pool) == most);
    CHECK(running(pool) == most);
    door.open();
    for (auto& h : all) {
      pool.block_on(std::move(h));
    }
    CHECK(highest == most);
    CHECK(threads_of(pool) == most);
    CHECK(queued(pool) == 0);
  }

  TEST_CASE("first come, first served") {
    scheduler pool(narrow(1));
    gate door;
    auto first = holds(pool, door);
    std::vector<int> order;
    std::vector<handle<>> all;
    for (unsigned i = 0; i < 20; ++i) {
      const auto call = [&order, i] { order.push_back(static_cast<int>(i)); };  // by one thread
      all.push_back(i % 2 == 0 ? pool.spawn([call]() -> task<> { co_await blocking(call); })
                               : pool.spawn([call] { martlet::await(blocking(call)); }));
      REQUIRE(eventually([&] { return queued(pool) == i + 1; }));
    }
    door.open();
    for (auto& h : all) {
      pool.block_on(std::move(h));
    }
    std::vector<int> expected(20);
    std::iota(expected.begin(), expected.end(), 0);
    CHECK(order == expected);
    pool.block_on(std::move(first));
  }

  TEST_CASE("others go on while as many as there are threads are inside") {
    for (const int workers : {1, 2}) {
      scheduler pool(workers);
      gate door;
      std::vector<handle<>> asleep;
      for (int i = 0; i < 64; ++i) {
        asleep.push_back(pool.spawn([&door]() -> task<> { co_await blocking([&door] { door.pass(); }); }));
      }
      REQUIRE(eventually([&] { return door.came() == 64; }));
      const auto goes_on = []() -> task<int> {
        int steps = 0;
        for (; steps < 1000; ++steps) {
          co_await martlet::yield();
        }
        co_await martlet::sleep_for(1ms);
        co_return steps + co_await martlet::spawn([] { return 1; }).join();
      };
      auto beside = pool.spawn(goes_on);
      CHECK(pool.block_on(goes_on()) == 1001);
      CHECK(pool.block_on(std::move(beside)) == 1001);
      CHECK(running(pool) == 64);
      for (auto& h : asleep) {
        CHECK(h.state() == status::blocked);
      }
      door.open();
      for (auto& h : asleep) {
        pool.block_on(std::move(h));
      }
    }
  }

  TEST_CASE("a cancel before the start withdraws it: it is never called") {
    scheduler pool(narrow(1));
    gate door;
    auto first = holds(pool, door);
    bool called = false;
    auto coroutine = pool.spawn([&]() -> task<> { co_await blocking([&] { called = true; }); });
    auto fiber = pool.spawn([&] { martlet::await(blocking([&] { called = true; })); });
    REQUIRE(eventually([&] { return queued(pool) == 2; }));
    coroutine.cancel();
    CHECK_THROWS_AS(pool.block_on(std::move(coroutine)), cancelled);
    CHECK(queued(pool) == 1);
    fiber.cancel();
    CHECK_THROWS_AS(pool.block_on(std::move(fiber)), cancelled);
    CHECK(queued(pool) == 0);
    door.open();
    pool.block_on(std::move(first));
    CHECK(!called);
  }

  TEST_CASE("one that was cancelled before it asks is never called") {
    scheduler pool(1);
    counter may_go{0};
    bool called = false;
    auto h = pool.spawn([&]() -> task<> {
      while (may_go == 0) {
        std::this_thread::yield();
      }
      co_await blocking([&] { called = true; });
    });
    h.cancel();
    may_go = 1;
    CHECK_THROWS_AS(pool.block_on(std::move(h)), cancelled);
    CHECK(!called);
  }

  TEST_CASE("a cancel after the start lets it run to its end: its value counts, and the next wait throws") {
    scheduler pool(narrow(1));
    const auto whole = [&pool](auto start) {
      gate door;
      int local = 0;
      auto h = start(door, local);
      REQUIRE(eventually([&] { return door.came() == 1; }));
      h.cancel();
      CHECK(h.state() == status::blocked);
      door.open();
      CHECK(pool.block_on(std::move(h)) == 7);
      CHECK(local == 1);
    };
    whole([&pool](gate& door, int& local) {
      return pool.spawn([&]() -> task<int> {
        const int value = co_await blocking([&] {
          door.pass();
          local = 1;
          return 7;
        });
        CHECK_THROWS_AS(co_await blocking([&] { local = 2; }), cancelled);
        CHECK_THROWS_AS(co_await martlet::sleep_for(0s), cancelled);
        co_return value;
      });
    });
    whole([&pool](gate& door, int& local) {
      return pool.spawn([&] {
        const int value = martlet::await(blocking([&] {
          door.pass();
          local = 1;
          return 7;
        }));
        CHECK_THROWS_AS(martlet::await(martlet::yield()), cancelled);
        return value;
      });
    });
  }

  TEST_CASE("the end of a scheduler cancels what waits for a thread and waits for what is being called") {
    for (int round = 0; round < scaled(100); ++round) {
      gate door;
      counter ends{0};
      counter stops{0};
      std::thread opener;
      {
        scheduler pool(narrow(2));
        for (int i = 0; i < 20; ++i) {
          pool.spawn([](gate& g, counter& out, counter& off) -> task<> {
            try {
              co_await blocking([&] {
                g.pass();
                ++out;
              });
            } catch (const cancelled&) {
              ++off;
              throw;
            }
          }(door, ends, stops));
        }
        REQUIRE(eventually([&] { return door.came() == 2 && queued(pool) == 18; }));
        opener = std::thread([&] {
          CHECK(eventually([&] { return stops == 18; }));
          CHECK(ends == 0);
          door.open();
        });
      }
      CHECK(ends == 2);
      CHECK(door.came() == 2);
      opener.join();
    }
  }

  TEST_CASE("a scheduler may end at the moment when its last call does") {
    for (int round = 0; round < scaled(2000); ++round) {
      scheduler pool(1);
      CHECK(pool.block_on([]() -> task<int> { co_return co_await blocking([] { return 1; }); }()) == 1);
    }
  }

  TEST_CASE("a canceller may come when the scheduler has gone") {
    handle<int> kept;
    {
      scheduler pool(1);
      kept = pool.spawn([]() -> task<int> { co_return co_await blocking([] { return 1; }); });
      REQUIRE(eventually([&] { return kept.state() == status::done; }));
    }
    kept.cancel();
    CHECK(martlet::await(kept.join()) == 1);
  }

  TEST_CASE("a lent thread's tasklets use the pool too") {
    scheduler pool({.workers = 0, .lent_threads = 1});
    CHECK(pool.run_here([]() -> task<int> { co_return co_await blocking([] { return 12; }); }()) == 12);
  }

  TEST_CASE("impossible options are misuse") {
    CHECK_THROWS_AS(scheduler({.blocking_threads = 0}), martlet::misuse);
    CHECK_THROWS_AS(scheduler({.blocking_idle = -1ns}), martlet::misuse);
  }

  TEST_CASE("where no thread can be started, those that are there serve; without any it throws") {
    const child_end none = in_child([] {
      scheduler pool(1);
      pool.block_on([]() -> task<> { co_return; }());
      forbid_threads();
      const auto tries = []() -> task<int> {
        int threw = 0;
        for (int i = 0; i < 3; ++i) {
          try {
            co_await blocking([] {});
          } catch (const std::system_error& e) {
            threw += e.code() == std::errc::resource_unavailable_try_again ? 1 : 0;
          }
        }
        co_return threw;
      };
      ::_exit(pool.block_on(tries()));
    });
    REQUIRE(!none.exited_with(77));
    CHECK(none.exited_with(3));

    const child_end some = in_child([] {
      scheduler pool(2);
      pool.block_on([]() -> task<> { co_await blocking([] {}); }());
      forbid_threads();
      std::vector<handle<int>> all;
      for (int i = 0; i < 50; ++i) {
        all.push_back(pool.spawn([]() -> task<int> { co_return co_await blocking([] { return 1; }); }));
      }
      int sum = 0;
      for (auto& h : all) {
        sum += pool.block_on(std::move(h));
      }
      ::_exit(sum);
    });
    CHECK(some.exited_with(50));
  }
}

}  // namespace
