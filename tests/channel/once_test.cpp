#include <martlet/channel/once.hpp>

#include <chrono>
#include <stdexcept>

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
using martlet::once;
using martlet::scheduler;
using martlet::task;

TEST_SUITE("once") {
  TEST_CASE("one calls, all others wait and then see what it did") {
    scheduler pool(2);
    for (int round = 0; round < scaled(300); ++round) {
      once opened;
      int calls = 0;
      int value = 0;
      martlet::base::atomic<int> saw{0};
      {
        crew all(pool);
        for (int i = 0; i < 9; ++i) {
          all.add(
              all_actors[i % 3],
              [&]() -> task<> {
                co_await opened.call([&]() -> task<> {
                  ++calls;
                  co_await martlet::yield();
                  value = 42;
                });
                saw += value == 42 ? 1 : 0;
              },
              [&] {
                opened.call([&] {
                  ++calls;
                  await(martlet::yield());
                  value = 42;
                });
                saw += value == 42 ? 1 : 0;
              });
        }
      }
      CHECK(calls == 1);
      CHECK(saw == 9);
      CHECK(opened.is_done());
      await(opened.wait());
    }
  }

  TEST_CASE("a call that throws leaves it undone, and the next caller tries") {
    scheduler pool(2);
    once opened;
    martlet::base::atomic<int> calls{0};
    martlet::base::atomic<int> failed{0};
    {
      crew all(pool);
      for (int i = 0; i < 9; ++i) {
        all.add(
            all_actors[i % 3],
            [&]() -> task<> {
              try {
                co_await opened.call([&]() -> task<> {
                  co_await martlet::sleep_for(100us);
                  if (++calls < 5) {
                    throw std::runtime_error("not yet");
                  }
                });
              } catch (const std::runtime_error&) {
                ++failed;
              }
            },
            [&] {
              try {
                opened.call([&] {
                  await(martlet::sleep_for(100us));
                  if (++calls < 5) {
                    throw std::runtime_error("not yet");
                  }
                });
              } catch (const std::runtime_error&) {
                ++failed;
              }
            });
      }
    }
    CHECK(calls == 5);
    CHECK(failed == 4);
    CHECK(opened.is_done());
  }

  TEST_CASE("a caller that is cancelled inside leaves it to the next; one that is cancelled outside is only gone") {
    scheduler pool(2);
    once opened;
    martlet::event never;
    auto first = pool.spawn([&]() -> task<> { co_await opened.call([&]() -> task<> { co_await never.wait(); }); });
    REQUIRE(eventually([&] { return first.state() == martlet::status::blocked; }));
    auto second = pool.spawn([&]() -> task<> { co_await opened.call([]() -> task<> { co_return; }); });
    auto third = pool.spawn([&] { opened.call([] {}); });
    REQUIRE(eventually([&] { return second.state() == martlet::status::blocked; }));
    REQUIRE(eventually([&] { return third.state() == martlet::status::blocked; }));
    second.cancel();
    CHECK_THROWS_AS(pool.block_on(std::move(second)), martlet::cancelled);
    CHECK_FALSE(opened.is_done());
    first.cancel();
    CHECK_THROWS_AS(pool.block_on(std::move(first)), martlet::cancelled);
    pool.block_on(std::move(third));
    CHECK(opened.is_done());
  }

  TEST_CASE("a failed call passes over a caller who was just cancelled") {
    scheduler pool(1);
    once opened;
    martlet::event may_fail;
    int calls = 0;
    martlet::handle<> oldest;
    martlet::handle<> next;
    auto caller = pool.spawn([&] {
      const auto fails = [&] {
        await(may_fail.wait());
        oldest.cancel();
        throw std::runtime_error("failed");
      };
      CHECK_THROWS_AS(opened.call(fails),
                      std::runtime_error);  // the only worker runs this: the oldest still stands there
      next.cancel();                        // ends only a wait that was not given the call
    });
    REQUIRE(eventually([&] { return caller.state() == martlet::status::blocked; }));
    oldest = pool.spawn([&] { opened.call([] {}); });
    REQUIRE(eventually([&] { return oldest.state() == martlet::status::blocked; }));
    next = pool.spawn([&] { opened.call([&] { ++calls; }); });
    REQUIRE(eventually([&] { return next.state() == martlet::status::blocked; }));
    may_fail.set();
    await(caller.join());
    CHECK_THROWS_AS(pool.block_on(std::move(oldest)), martlet::cancelled);
    CHECK_NOTHROW(pool.block_on(std::move(next)));
    CHECK(calls == 1);
    CHECK(opened.is_done());
  }

  TEST_CASE("try_call calls when nobody does, and wait only waits") {
    scheduler pool(2);
    once opened;
    CHECK_THROWS_AS(await(martlet::within(1ms, opened.wait())), martlet::deadline_passed);
    martlet::event may_end;
    auto caller = pool.spawn([&]() -> task<> { co_await opened.call([&]() -> task<> { co_await may_end.wait(); }); });
    REQUIRE(eventually([&] { return caller.state() == martlet::status::blocked; }));
    CHECK_FALSE(opened.try_call([] {}));
    auto watcher = pool.spawn([&]() -> task<> { co_await opened.wait(); });
    may_end.set();
    pool.block_on(std::move(caller));
    pool.block_on(std::move(watcher));
    CHECK(opened.try_call([] { throw std::runtime_error("called twice"); }));
    once another;
    int calls = 0;
    CHECK_THROWS_AS(another.try_call([] { throw std::runtime_error("no"); }), std::runtime_error);
    CHECK(another.try_call([&] { ++calls; }));
    CHECK(calls == 1);
  }

  TEST_CASE("a call of the same once inside is a misuse, and the outer one has failed") {
    scheduler pool(1);
    once opened;
    const char* inside = "once: the function that is called once called the same once again, and would wait for itself";
    CHECK(thrown_by<misuse>([&] { opened.call([&] { opened.call([] {}); }); }) == inside);
    CHECK_FALSE(opened.is_done());
    CHECK(pool.block_on(pool.spawn([&] {
      return thrown_by<misuse>([&] { opened.call([&] { static_cast<void>(opened.try_call([] {})); }); });
    })) == inside);
    opened.call([] {});
    CHECK(opened.is_done());
  }

  TEST_CASE("what cannot go on stops the program with a sentence" * doctest::skip(MARTLET_TSAN != 0)) {
    CHECK(in_child([] {
            scheduler pool(1);
            auto* o = new once;
            martlet::event never;
            auto calls = pool.spawn([&]() -> task<> { co_await o->call([&]() -> task<> { co_await never.wait(); }); });
            eventually([&] { return calls.state() == martlet::status::blocked; });
            delete o;
          }).said("a once was destroyed while 1 called and 0 tasklets waited for it"));
    CHECK(in_child([] {
            scheduler pool(1);
            once o;
            pool.block_on(pool.spawn([&]() -> task<> {
              o.call([] {});
              co_return;
            }));
          }).said("martlet::await was called inside a coroutine"));
  }
}

}  // namespace
