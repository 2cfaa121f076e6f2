#include <martlet/channel/recursive_mutex.hpp>

#include <mutex>

#include <doctest/doctest.h>

#include <martlet/channel.hpp>

#include "crew.hpp"
#include "eventually.hpp"
#include "in_child.hpp"
#include "scale.hpp"
#include "thrown_by.hpp"

namespace {

using namespace martlet::testing;
using martlet::await;
using martlet::misuse;
using martlet::recursive_mutex;
using martlet::scheduler;
using martlet::task;

TEST_SUITE("recursive_mutex") {
  TEST_CASE("its owner locks it as often as it likes; it is free when it was unlocked as often") {
    scheduler pool(2);
    recursive_mutex door;
    const auto others = [&] { return pool.block_on(pool.spawn([&] { return door.try_acquire().owns_lock(); })); };
    door.lock();
    CHECK(door.try_lock());
    {
      const auto third = await(door.acquire());
      CHECK(third.owns_lock());
    }
    CHECK_FALSE(others());
    door.unlock();
    CHECK_FALSE(others());
    door.unlock();
    CHECK(others());
  }

  TEST_CASE("one at a time is in, whatever they are") {
    scheduler pool(2);
    recursive_mutex door;
    long counter = 0;
    const int rounds = scaled(2000);
    {
      crew all(pool);
      for (const actor kind : all_actors) {
        all.add(
            kind,
            [&]() -> task<> {
              for (int i = 0; i < rounds; ++i) {
                const auto outer = co_await door.acquire();
                const auto inner = co_await door.acquire();
                const long before = counter;
                if (i % 16 == 0) {
                  co_await martlet::yield();
                }
                counter = before + 1;
              }
            },
            [&] {
              for (int i = 0; i < rounds; ++i) {
                const std::lock_guard outer(door);
                const std::lock_guard inner(door);
                const long before = counter;
                if (i % 16 == 0) {
                  await(martlet::yield());
                }
                counter = before + 1;
              }
            });
      }
    }
    CHECK(counter == 3L * rounds);
  }

  TEST_CASE("who waits gets it once, and has to unlock it once") {
    scheduler pool(2);
    recursive_mutex door;
    door.lock();
    door.lock();
    auto waiting = pool.spawn([&] {
      const std::lock_guard held(door);
      return 1;
    });
    REQUIRE(eventually([&] { return waiting.state() == martlet::status::blocked; }));
    door.unlock();
    CHECK(waiting.state() == martlet::status::blocked);
    door.unlock();
    CHECK(pool.block_on(std::move(waiting)) == 1);
    CHECK(door.try_acquire().owns_lock());
  }

  TEST_CASE("an unlock too many, or another's, is a misuse; destroying it locked stops the program") {
    recursive_mutex door;
    const char* not_mine =
        "recursive_mutex: unlock was called by a tasklet or thread that does not own it; who locked it unlocks it, once";
    CHECK(thrown_by<misuse>([&] { door.unlock(); }) == not_mine);
    door.lock();
    door.lock();
    std::thread([&] { CHECK(thrown_by<misuse>([&] { door.unlock(); }) == not_mine); }).join();
    door.unlock();
    door.unlock();
    CHECK(thrown_by<misuse>([&] { door.unlock(); }) == not_mine);
    CHECK(in_child([] {
            recursive_mutex locked;
            locked.lock();
          }).said("a recursive_mutex was destroyed while it was locked"));
  }
}

}  // namespace
