#include <martlet/scheduler.hpp>

#include <vector>

#include <doctest/doctest.h>

#include <oneapi/tbb/blocked_range.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/parallel_reduce.h>
#include <oneapi/tbb/task_arena.h>

#include "eventually.hpp"
#include "gate.hpp"
#include "scale.hpp"

namespace {

using namespace martlet::testing;
using martlet::blocking;
using martlet::handle;
using martlet::scheduler;
using martlet::task;
using counter = martlet::base::atomic<int>;

// 0 + 1 + ... + count - 1
long sum_up_to(int count) {
  return tbb::parallel_reduce(
      tbb::blocked_range<int>(0, count), 0L,
      [](const tbb::blocked_range<int>& part, long sum) {
        for (int i = part.begin(); i != part.end(); ++i) {
          sum += i;
        }
        return sum;
      },
      [](long a, long b) { return a + b; });
}

constexpr long expected(long count) { return count * (count - 1) / 2; }

// ThreadSanitizer does not see how oneTBB, whose library is compiled without it, hands its parts from thread to thread.
TEST_SUITE("parallel loops of oneTBB" * doctest::skip(MARTLET_TSAN != 0)) {
  TEST_CASE("many tasklets of both kinds run one at once, through a pool that is smaller than their number") {
    scheduler pool({.workers = 2, .blocking_threads = 8});
    constexpr int count = scaled(100'000);
    std::vector<handle<long>> all;
    for (int i = 0; i < 64; ++i) {
      const auto loop = [] { return sum_up_to(count); };
      all.push_back(i % 2 == 0 ? pool.spawn([loop]() -> task<long> { co_return co_await blocking(loop); })
                               : pool.spawn([loop] { return martlet::await(blocking(loop)); }));
    }
    for (auto& h : all) {
      CHECK(pool.block_on(std::move(h)) == expected(count));
    }
  }

  TEST_CASE("the others go on while loops of many tasklets stand still") {
    scheduler pool(1);
    gate door;
    std::vector<handle<>> all;
    for (int i = 0; i < 16; ++i) {
      all.push_back(pool.spawn([&door]() -> task<> {
        co_await blocking([&door] { tbb::parallel_for(0, 4, [&door](int) { door.pass(); }); });
      }));
    }
    REQUIRE(eventually([&] { return pool.statistics().blocking_running == 16; }));
    const auto goes_on = []() -> task<int> {
      int steps = 0;
      for (; steps < 1000; ++steps) {
        co_await martlet::yield();
      }
      co_return steps;
    };
    CHECK(pool.block_on(goes_on()) == 1000);
    CHECK(pool.statistics().blocking_running == 16);
    door.open();
    for (auto& h : all) {
      pool.block_on(std::move(h));
    }
    CHECK(door.came() == 16 * 4);
  }

  TEST_CASE("one arena for all of them bounds how many take part") {
    scheduler pool(2);
    tbb::task_arena narrow(2);
    counter inside{0};
    counter highest{0};
    std::vector<handle<>> all;
    for (int i = 0; i < 16; ++i) {
      all.push_back(pool.spawn([&]() -> task<> {
        co_await blocking([&] {
          narrow.execute([&] {
            tbb::parallel_for(0, 16, [&](int) {
              const int with_me = ++inside;
              for (int seen = highest; seen < with_me && !highest.compare_exchange_weak(seen, with_me);) {}
              --inside;
            });
          });
        });
      }));
    }
    for (auto& h : all) {
      pool.block_on(std::move(h));
    }
    CHECK(highest <= 2);
    CHECK(highest >= 1);
  }

  TEST_CASE("called inside a tasklet it holds the worker, and works") {
    scheduler pool(2);
    constexpr int count = scaled(100'000);
    CHECK(pool.block_on(pool.spawn([] { return sum_up_to(count); })) == expected(count));
    CHECK(pool.block_on([](int n) -> task<long> { co_return sum_up_to(n); }(count)) == expected(count));
  }
}

}  // namespace
