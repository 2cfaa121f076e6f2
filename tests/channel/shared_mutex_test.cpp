#include <martlet/channel/shared_mutex.hpp>

#include <chrono>
#include <mutex>
#include <shared_mutex>
#include <thread>
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
using martlet::scheduler;
using martlet::shared_mutex;
using martlet::task;

TEST_SUITE("shared_mutex") {
  TEST_CASE("one writer or any number of readers, whatever they are") {
    scheduler pool(3);
    shared_mutex door;
    martlet::base::atomic<int> readers{0};
    int writers = 0;
    long counter = 0;
    const int rounds = scaled(2000);
    {
      crew all(pool);
      for (int i = 0; i < 9; ++i) {
        all.add(
            all_actors[i % 3],
            [&, i]() -> task<> {
              for (int r = 0; r < rounds; ++r) {
                if ((i + r) % 4 == 0) {
                  const auto held = co_await door.acquire();
                  CHECK(++writers == 1);
                  CHECK(readers == 0);
                  const long before = counter;
                  co_await martlet::yield();
                  counter = before + 1;
                  --writers;
                } else {
                  const auto held = co_await door.acquire_shared();
                  ++readers;
                  CHECK(writers == 0);
                  co_await martlet::yield();
                  --readers;
                }
              }
            },
            [&, i] {
              for (int r = 0; r < rounds; ++r) {
                if ((i + r) % 4 == 0) {
                  const std::lock_guard held(door);
                  CHECK(++writers == 1);
                  CHECK(readers == 0);
                  const long before = counter;
                  await(martlet::yield());
                  counter = before + 1;
                  --writers;
                } else {
                  const std::shared_lock held(door);
                  ++readers;
                  CHECK(writers == 0);
                  await(martlet::yield());
                  --readers;
                }
              }
            });
      }
    }
    long expected = 0;
    for (int i = 0; i < 9; ++i) {
      for (int r = 0; r < rounds; ++r) {
        expected += (i + r) % 4 == 0 ? 1 : 0;
      }
    }
    CHECK(counter == expected);
  }

  TEST_CASE("readers and writers are served in the order in which they came; readers side by side go in together") {
    scheduler pool(1);
    shared_mutex door;
    martlet::semaphore may_leave(0);
    std::vector<int> order;
    std::vector<martlet::handle<>> waiting;
    const auto add = [&](bool is_reader, int number) {
      waiting.push_back(pool.spawn([&, is_reader, number]() -> task<> {
        if (is_reader) {
          const auto held = co_await door.acquire_shared();
          order.push_back(number);
          (co_await may_leave.acquire()).dismiss();
        } else {
          const auto held = co_await door.acquire();
          order.push_back(number);
          (co_await may_leave.acquire()).dismiss();
        }
      }));
      REQUIRE(eventually([&] { return waiting.back().state() == martlet::status::blocked; }));
    };
    const auto entered = [&](std::vector<int> who) {
      // Asked in a tasklet of the one worker, which has run all that was ready before.
      return pool.block_on(pool.spawn([&, who]() -> task<bool> {
        for (int i = 0; i < 10; ++i) {
          co_await martlet::yield();
        }
        co_return order == who;
      }));
    };
    add(true, 0);
    add(false, 1);
    add(true, 2);
    add(true, 3);
    add(false, 4);
    add(true, 5);
    CHECK(entered({0}));
    CHECK_FALSE(door.try_lock_shared());
    may_leave.release();
    CHECK(entered({0, 1}));
    may_leave.release();
    CHECK(entered({0, 1, 2, 3}));
    may_leave.release();
    CHECK(entered({0, 1, 2, 3}));
    may_leave.release();
    CHECK(entered({0, 1, 2, 3, 4}));
    may_leave.release(2);
    for (auto& one : waiting) {
      pool.block_on(std::move(one));
    }
    CHECK(order == std::vector<int>{0, 1, 2, 3, 4, 5});
    CHECK(door.try_acquire().owns_lock());
  }

  TEST_CASE("when a writer gives up, the readers behind it go in") {
    scheduler pool(2);
    shared_mutex door;
    for (const bool by_cancel : {true, false}) {
      door.lock_shared();
      auto writer = pool.spawn([&]() -> task<bool> {
        try {
          if (by_cancel) {
            static_cast<void>(co_await door.acquire());
          } else {
            static_cast<void>(co_await martlet::within(20ms, door.acquire()));
          }
        } catch (const martlet::cancelled&) {
          co_return true;
        } catch (const martlet::deadline_passed&) {
          co_return true;
        }
        co_return false;
      });
      REQUIRE(eventually([&] {
        const auto now = writer.state();
        return now == martlet::status::blocked || (!by_cancel && now == martlet::status::done);
      }));
      auto reader = pool.spawn([&] {
        const std::shared_lock held(door);
        return 1;
      });
      if (by_cancel) {
        REQUIRE(eventually([&] { return reader.state() == martlet::status::blocked; }));
        writer.cancel();
      }
      CHECK(pool.block_on(std::move(writer)));
      CHECK(pool.block_on(std::move(reader)) == 1);
      door.unlock_shared();
    }
    CHECK(door.try_acquire().owns_lock());
  }

  TEST_CASE("an unlock passes over one who was just cancelled") {
    scheduler pool(1);
    for (const bool is_writer_next : {false, true}) {
      shared_mutex door;
      martlet::event may_unlock;
      martlet::handle<> oldest;
      martlet::handle<> next;
      auto holder = pool.spawn([&] {
        std::unique_lock held(door);
        await(may_unlock.wait());
        oldest.cancel();
        held.unlock();  // the only worker runs this: the oldest still stands in the list
        next.cancel();  // ends only a wait that was not let in
      });
      REQUIRE(eventually([&] { return holder.state() == martlet::status::blocked; }));
      oldest = pool.spawn([&]() -> task<> { const auto held = co_await door.acquire(); });
      REQUIRE(eventually([&] { return oldest.state() == martlet::status::blocked; }));
      next = is_writer_next ? pool.spawn([&]() -> task<> { const auto held = co_await door.acquire(); })
                            : pool.spawn([&]() -> task<> { const auto held = co_await door.acquire_shared(); });
      REQUIRE(eventually([&] { return next.state() == martlet::status::blocked; }));
      may_unlock.set();
      await(holder.join());
      CHECK_THROWS_AS(pool.block_on(std::move(oldest)), martlet::cancelled);
      CHECK_NOTHROW(pool.block_on(std::move(next)));
      CHECK(door.try_acquire().owns_lock());
    }
  }

  TEST_CASE("try_ forms take what can be had at once") {
    shared_mutex door;
    {
      const auto reading = door.try_acquire_shared();
      CHECK(reading.owns_lock());
      CHECK(door.try_lock_shared());
      door.unlock_shared();
      CHECK_FALSE(door.try_acquire().owns_lock());
    }
    scheduler pool(1);
    const auto writing = door.try_acquire();
    CHECK(writing.owns_lock());
    CHECK_FALSE(pool.block_on(pool.spawn([&] { return door.try_lock() || door.try_lock_shared(); })));
  }

  TEST_CASE("a cancel against an unlock: it is had or not had, and never lost") {
    scheduler pool(2);
    shared_mutex door;
    const int rounds = scaled(10'000);
    for (int i = 0; i < rounds; ++i) {
      door.lock();
      auto reader = pool.spawn([&]() -> task<> { const auto held = co_await door.acquire_shared(); });
      auto writer = pool.spawn([&]() -> task<> { const auto held = co_await door.acquire(); });
      auto cancelling = pool.spawn([&] { (i % 2 == 0 ? reader : writer).cancel(); });
      for (int pause = 0; pause < i % 300; ++pause) {
        martlet::base::cpu_pause();
      }
      door.unlock();
      await(cancelling.join());
      for (auto* one : {&reader, &writer}) {
        try {
          pool.block_on(std::move(*one));
        } catch (const martlet::cancelled&) {}
      }
      REQUIRE(door.try_acquire().owns_lock());
    }
  }

  TEST_CASE("wrong calls have a sentence each") {
    shared_mutex door;
    const char* not_writer =
        "shared_mutex: unlock was called by a tasklet or thread that is not its writer; who locked it unlocks it, once";
    const char* again = "shared_mutex: its writer locked it again and would wait for itself; lock it once";
    CHECK(thrown_by<misuse>([&] { door.unlock(); }) == not_writer);
    CHECK(thrown_by<misuse>([&] { door.unlock_shared(); }) ==
          "shared_mutex: unlock_shared was called while nobody read; who locked it shared unlocks it, once");
    door.lock();
    CHECK(thrown_by<misuse>([&] { door.lock(); }) == again);
    CHECK(thrown_by<misuse>([&] { door.lock_shared(); }) == again);
    CHECK(thrown_by<misuse>([&] { door.try_lock_shared(); }) == again);
    std::thread([&] { CHECK(thrown_by<misuse>([&] { door.unlock(); }) == not_writer); }).join();
    door.unlock();
    if (MARTLET_TSAN == 0) {
      CHECK(in_child([] {
              shared_mutex locked;
              locked.lock_shared();
            }).said("a shared_mutex was destroyed while 0 wrote, 1 read and 0 waited for it"));
      CHECK(in_child([] {
              scheduler pool(1);
              shared_mutex in_coroutine;
              pool.block_on(pool.spawn([&]() -> task<> {
                in_coroutine.lock_shared();
                co_return;
              }));
            }).said("martlet::await was called inside a coroutine"));
    }
  }
}

}  // namespace
