#include <martlet/channel/semaphore.hpp>

#include <chrono>
#include <cstdint>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <martlet/channel.hpp>

#include "crew.hpp"
#include "eventually.hpp"
#include "in_child.hpp"
#include "scale.hpp"
#include "thrown_by.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::await;
using martlet::misuse;
using martlet::permit;
using martlet::scheduler;
using martlet::semaphore;
using martlet::task;

// Waits for units and says so, in a tasklet of its own; returns when it waits, or has them.
martlet::handle<> taker(scheduler& pool, semaphore& from, std::size_t count, std::vector<std::size_t>& order) {
  auto one = pool.spawn([](semaphore& s, std::size_t n, std::vector<std::size_t>& said) -> task<> {
    auto units = co_await s.acquire(n);
    said.push_back(n);
    units.dismiss();
  }(from, count, order));
  REQUIRE(eventually([&] {
    const auto now = one.state();
    return now == martlet::status::blocked || now == martlet::status::done;
  }));
  return one;
}

TEST_SUITE("semaphore") {
  TEST_CASE("no more are inside than it has units, whatever they are") {
    scheduler pool(3);
    semaphore units(3);
    martlet::base::atomic<int> inside{0};
    const int rounds = scaled(3000);
    const auto look = [&] { CHECK(++inside <= 3); };
    {
      crew all(pool);
      for (int i = 0; i < 9; ++i) {
        all.add(
            all_actors[i % 3],
            [&]() -> task<> {
              for (int r = 0; r < rounds; ++r) {
                const auto one = co_await units.acquire();
                look();
                if (r % 4 == 0) {
                  co_await martlet::yield();
                }
                --inside;
              }
            },
            [&] {
              for (int r = 0; r < rounds; ++r) {
                const auto one = await(units.acquire());
                look();
                if (r % 4 == 0) {
                  await(martlet::yield());
                }
                --inside;
              }
            });
      }
    }
    CHECK(units.available() == 3);
  }

  TEST_CASE("a large request at the head is not overtaken by a small one behind it") {
    scheduler pool(1);
    semaphore units(0);
    std::vector<std::size_t> order;
    auto large = taker(pool, units, 5, order);
    auto small = taker(pool, units, 1, order);
    units.release(4);
    CHECK_FALSE(units.try_acquire());
    CHECK(units.available() == 4);
    CHECK(small.state() == martlet::status::blocked);
    units.release(2);
    pool.block_on(std::move(large));
    pool.block_on(std::move(small));
    CHECK(order == std::vector<std::size_t>{5, 1});
    CHECK(units.available() == 0);
  }

  TEST_CASE("when a large request gives up, those behind it go on") {
    scheduler pool(1);
    semaphore units(2);
    std::vector<std::size_t> order;
    for (const bool by_cancel : {true, false}) {
      order.clear();
      auto large = pool.spawn([&]() -> task<bool> {
        try {
          if (by_cancel) {
            static_cast<void>(co_await units.acquire(3));
          } else {
            static_cast<void>(co_await martlet::within(20ms, units.acquire(3)));
          }
        } catch (const martlet::cancelled&) {
          co_return true;
        } catch (const martlet::deadline_passed&) {
          co_return true;
        }
        co_return false;
      });
      REQUIRE(eventually([&] { return large.state() == martlet::status::blocked; }));
      auto one = taker(pool, units, 1, order);
      auto another = taker(pool, units, 1, order);
      if (by_cancel) {
        large.cancel();
      }
      CHECK(pool.block_on(std::move(large)));
      pool.block_on(std::move(one));
      pool.block_on(std::move(another));
      CHECK(units.available() == 0);
      units.release(2);
    }
  }

  TEST_CASE("a release passes over one who was just cancelled") {
    scheduler pool(1);
    semaphore s(0);
    std::vector<std::size_t> order;
    auto oldest = taker(pool, s, 1, order);
    auto next = taker(pool, s, 2, order);
    pool.block_on(pool.spawn([&] {  // the only worker runs this: the oldest still stands in the list
      oldest.cancel();
      s.release(2);
      next.cancel();  // ends only a wait that was not given its units
    }));
    CHECK_THROWS_AS(pool.block_on(std::move(oldest)), martlet::cancelled);
    CHECK_NOTHROW(pool.block_on(std::move(next)));
    CHECK(order == std::vector<std::size_t>{2});
    CHECK(s.available() == 0);
  }

  TEST_CASE("a permit moves, goes back early, or is kept and given back by another") {
    scheduler pool(1);
    semaphore units(3);
    permit two = units.try_acquire(2);
    REQUIRE(two);
    CHECK(two.count() == 2);
    CHECK(units.available() == 1);
    CHECK_FALSE(units.try_acquire(2));
    permit moved = std::move(two);
    CHECK_FALSE(two);
    CHECK(two.count() == 0);
    moved.release();
    moved.release();
    CHECK(units.available() == 3);
    moved = await(units.acquire(3));
    moved.dismiss();
    CHECK_FALSE(moved);
    CHECK(units.available() == 0);
    pool.block_on(pool.spawn([&] { units.release(3); }));
    CHECK(units.available() == 3);
    moved = units.try_acquire();
    moved = permit();
    CHECK(units.available() == 3);
  }

  TEST_CASE("a cancel against a release: the units are had or still there") {
    scheduler pool(2);
    semaphore units(0);
    const int rounds = scaled(20'000);
    for (int i = 0; i < rounds; ++i) {
      auto waiting =
          pool.spawn([&]() -> task<> { const auto one = co_await units.acquire(1 + static_cast<std::size_t>(i % 2)); });
      auto cancelling = pool.spawn([&waiting] { waiting.cancel(); });
      for (int pause = 0; pause < i % 300; ++pause) {
        martlet::base::cpu_pause();
      }
      units.release(2);
      await(cancelling.join());
      try {
        pool.block_on(std::move(waiting));
      } catch (const martlet::cancelled&) {}
      auto both = units.try_acquire(2);
      REQUIRE(both);
      both.dismiss();
    }
  }

  TEST_CASE("bad numbers have a sentence each") {
    semaphore units(1);
    CHECK(thrown_by<misuse>([&] { static_cast<void>(units.acquire(0)); }) ==
          "semaphore: 0 units were asked for; ask for at least 1");
    CHECK(thrown_by<misuse>([&] { static_cast<void>(units.try_acquire(0)); }) ==
          "semaphore: 0 units were asked for; ask for at least 1");
    CHECK(thrown_by<misuse>([&] { units.release(PTRDIFF_MAX); }) ==
          "semaphore: 9223372036854775807 units were released where 1 are there; at most 9223372036854775807 are "
          "possible (was it a negative number, or given back twice?)");
    CHECK(thrown_by<misuse>([] {
            semaphore(static_cast<std::size_t>(-1));
          }).starts_with("semaphore: made with 18446744073709551615 units; at most"));
    CHECK(units.available() == 1);
  }

  TEST_CASE("one with a maximum refuses what is given back too often, and loses nothing") {
    semaphore units(1, 2);
    units.release();
    CHECK(
        thrown_by<misuse>([&] { units.release(); }) ==
        "semaphore: 1 units were released where 2 are there; at most 2 are possible (was it a negative number, or given "
        "back twice?)");
    CHECK(units.available() == 2);
    const permit both = units.try_acquire(2);
    CHECK(thrown_by<misuse>([&] { units.release(3); }).starts_with("semaphore: 3 units were released where 0 are"));
    CHECK(thrown_by<misuse>([] { semaphore(3, 2); }) ==
          "semaphore: made with 3 units; at most 2 are possible (was it a negative number?)");
    CHECK(thrown_by<misuse>([] {
            semaphore(1, static_cast<std::size_t>(-1));
          }).starts_with("semaphore: made with 18446744073709551615 units; at most"));
  }

  TEST_CASE("destroying one with waiters stops the program" * doctest::skip(MARTLET_TSAN != 0)) {
    CHECK(in_child([] {
            scheduler pool(1);
            auto* s = new semaphore(0);
            auto waits = pool.spawn([s]() -> task<> { static_cast<void>(co_await s->acquire()); });
            eventually([&] { return waits.state() == martlet::status::blocked; });
            delete s;
          }).said("a semaphore was destroyed while 1 tasklets waited for it"));
  }
}

}  // namespace
