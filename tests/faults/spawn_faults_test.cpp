#include <martlet/scheduler.hpp>
#include <martlet/tasklet/tasklet_local.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "afterwards.hpp"
#include "counted.hpp"
#include "scale.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::scheduler;
using martlet::task;

task<int> takes(counted value) { co_return value.value(); }

TEST_SUITE("faults of memory") {
  TEST_CASE("a scheduler that cannot be made throws, and leaves nothing behind") {
    const long count = refuse_each(resource::memory, [](refusal& now) {
      now.refuses([] { scheduler pool(2); });
      scheduler pool(2);
      expect_goes_on(pool);
    });
    CHECK(count > 2);
  }

  TEST_CASE("a coroutine spawned from outside runs or is refused, and its argument dies once") {
    const long count = refuse_memory([](refusal& now, scheduler& pool) {
      tally values;
      int result = 0;
      const bool is_refused = now.refuses([&] { result = pool.block_on(pool.spawn(takes(counted(values, 5)))); });
      expect(is_refused == (result == 0), "it was refused, or gave its result");
      expect(is_refused || result == 5, "the result is right");
      expect(values.is_balanced(), "the argument is destroyed once");
    });
    CHECK(count > 0);
  }

  TEST_CASE("a fiber spawned from outside runs or is refused, and what it has captured dies once") {
    const long count = refuse_memory([](refusal& now, scheduler& pool) {
      tally values;
      int result = 0;
      const bool is_refused = now.refuses([&] {
        result = pool.block_on(pool.spawn([value = counted(values, 5)] { return value.value(); }));
      });
      expect(is_refused == (result == 0), "it was refused, or gave its result");
      expect(values.is_balanced(), "what it captured is destroyed once");
    });
    CHECK(count > 0);
  }

  TEST_CASE("try_spawn that finds no memory gives its place back") {
    const long count = refuse_each(resource::memory, [](refusal& now) {
      scheduler pool({.workers = 1, .most_tasklets = 1});
      for (int i = 0; i < 3; ++i) {
        now.refuses([&] {
          auto function = [] { return 3; };
          if (auto started = pool.try_spawn(function)) {
            pool.block_on(std::move(*started));
          }
        });
      }
      expect(eventually([&] { return pool.statistics().spawned == pool.statistics().ended; }), "the place is free");
      expect_goes_on(pool);
    });
    CHECK(count > 0);
  }

  TEST_CASE("tasklets spawned by a tasklet run or are refused") {
    const long count = refuse_memory([](refusal& now, scheduler& pool) {
      tally values;
      pool.block_on(pool.spawn([&] {
        now.refuses([&] {
          std::vector<martlet::handle<int>> all;
          all.reserve(20);
          for (int i = 0; i < 10; ++i) {
            all.push_back(martlet::spawn(takes(counted(values, i))));
            all.push_back(martlet::spawn([value = counted(values, i)] { return value.value(); }));
          }
          for (int i = 0; i < 20; ++i) {
            expect(martlet::await(all[static_cast<std::size_t>(i)].join()) == i / 2, "each gives its own result");
          }
        });
      }));
      expect(eventually([&] { return pool.statistics().spawned == pool.statistics().ended; }), "every tasklet ends");
      expect(values.is_balanced(), "every argument is destroyed once");
    });
    CHECK(count > 4);
  }

  TEST_CASE("a scope with many children waits for those that it has got") {
    const long count = refuse_memory([](refusal& now, scheduler& pool) {
      tally values;
      martlet::base::atomic<int> begun{0};
      int spawned = 0;
      now.refuses([&] {
        martlet::scope all(pool, 60s);
        for (int i = 0; i < 600; ++i) {
          all.spawn([](counted value, martlet::base::atomic<int>& started) -> task<> {
            ++started;
            co_await martlet::yield();
            static_cast<void>(value.value());
          }(counted(values, i), begun));
          ++spawned;
        }
        all.join();
      });
      expect(begun == spawned, "every child has begun that was not refused");
      expect(values.is_balanced(), "every argument is destroyed once");
    });
    CHECK(count > 2);
  }

  TEST_CASE("a scope of fibers inside a tasklet, too") {
    const long count = refuse_memory([](refusal& now, scheduler& pool) {
      tally values;
      pool.block_on(pool.spawn([&] {
        now.refuses([&] {
          martlet::scope all;
          for (int i = 0; i < 20; ++i) {
            all.spawn([value = counted(values, i)] {
              martlet::await(martlet::sleep_for(10us));
              static_cast<void>(value.value());
            });
          }
          all.join();
        });
      }));
      expect(values.is_balanced(), "what they captured is destroyed once");
    });
    CHECK(count > 4);
  }

  TEST_CASE("sleepers wake, or are told that there is no memory") {
    const long count = refuse_memory([](refusal& now, scheduler& pool) {
      martlet::base::atomic<int> woke{0};
      const bool is_refused = now.refuses([&] {
        martlet::scope all(pool);
        for (int i = 0; i < 100; ++i) {
          all.spawn([](martlet::base::atomic<int>& awake, int delay) -> task<> {
            co_await martlet::sleep_for(std::chrono::microseconds(delay % 7 * 300));
            ++awake;
          }(woke, i));
        }
        all.join();
      });
      expect(is_refused || woke == 100, "all wake when nothing was refused to them");
    });
    CHECK(count > 0);
  }

  TEST_CASE("a sleep needs no memory of its own") {
    const long count = refuse_memory([](refusal& now, scheduler& pool) {
      pool.block_on(pool.spawn([&] {
        expect(!now.refuses([] { martlet::await(martlet::sleep_for(1ms)); }), "the sleep is not refused");
      }));
    });
    CHECK(count == 0);
  }

  TEST_CASE("a tasklet_local is made or refused, for tasklets and threads") {
    const long count = refuse_memory([](refusal& now, scheduler& pool) {
      tally values;
      {
        martlet::tasklet_local<counted> own([&] { return counted(values, 4); });
        now.refuses([&] { expect(own->value() == 4, "the thread has its value"); });
        pool.block_on(pool.spawn([&] {
          now.refuses([&] { expect(own->value() == 4, "the fiber has its value"); });
          expect(own->value() == 4, "it has one afterwards");
        }));
        pool.block_on([](refusal& still, martlet::tasklet_local<counted>& mine) -> task<> {
          still.refuses([&] { expect(mine->value() == 4, "the coroutine has its value"); });
          expect(mine->value() == 4, "it has one afterwards");
          co_return;
        }(now, own));
      }
      expect(values.twice == 0, "no value is destroyed twice");
      expect(values.alive() <= 1, "only the thread's value lives on");
    });
    CHECK(count > 4);
  }

  TEST_CASE("a blocking call is made or refused") {
    const long count = refuse_memory([](refusal& now, scheduler& pool) {
      tally values;
      int calls = 0;
      int results = 0;
      pool.block_on(pool.spawn([&] {
        for (int i = 0; i < 2; ++i) {  // with no thread there, and with one
          now.refuses([&] {
            const counted value(values, 6);
            const int got = martlet::await(martlet::blocking([&] {
              ++calls;
              return value.value();
            }));
            expect(got == 6, "the result is right");
            ++results;
          });
        }
      }));
      expect(calls == results, "a call that was made has given its result");
      expect(values.is_balanced(), "what it uses is destroyed once");
    });
    CHECK(count > 1);
  }
}

}  // namespace
