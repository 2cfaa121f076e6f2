#include <martlet/channel/mutex.hpp>

#include <chrono>
#include <mutex>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <martlet/channel.hpp>

#include "crew.hpp"
#include "eventually.hpp"
#include "in_child.hpp"
#include "scale.hpp"
#include "thread_now.hpp"
#include "thrown_by.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::await;
using martlet::misuse;
using martlet::mutex;
using martlet::scheduler;
using martlet::task;

TEST_SUITE("mutex") {
  TEST_CASE("one at a time is in, whatever they are, and may wait and move inside") {
    scheduler pool(3);
    mutex door;
    long counter = 0;
    int inside = 0;
    const int rounds = scaled(3000);
    {
      crew all(pool);
      for (int i = 0; i < 9; ++i) {
        all.add(
            all_actors[i % 3],
            [&]() -> task<> {
              for (int r = 0; r < rounds; ++r) {
                const auto held = co_await door.acquire();
                CHECK(++inside == 1);
                const long before = counter;
                if (r % 8 == 0) {
                  co_await martlet::yield();
                }
                counter = before + 1;
                --inside;
              }
            },
            [&] {
              for (int r = 0; r < rounds; ++r) {
                const std::lock_guard held(door);
                CHECK(++inside == 1);
                const long before = counter;
                if (r % 8 == 0) {
                  await(martlet::yield());
                }
                counter = before + 1;
                --inside;
              }
            });
      }
    }
    CHECK(counter == 9L * rounds);
  }

  TEST_CASE("those who wait get it in the order in which they came") {
    scheduler pool(2);
    mutex door;
    std::vector<int> order;
    std::vector<martlet::handle<>> waiting;
    door.lock();
    for (int i = 0; i < 6; ++i) {
      const bool is_fiber = i % 2 == 0;
      waiting.push_back(is_fiber ? pool.spawn([&, i] {
        const std::lock_guard held(door);
        order.push_back(i);
      })
                                 : pool.spawn([&, i]() -> task<> {
                                     const auto held = co_await door.acquire();
                                     order.push_back(i);
                                   }));
      REQUIRE(eventually([&] { return waiting.back().state() == martlet::status::blocked; }));
    }
    door.unlock();
    for (auto& one : waiting) {
      await(one.join());
    }
    CHECK(order == std::vector<int>{0, 1, 2, 3, 4, 5});
  }

  TEST_CASE("an unlock gives it to who waits, so that nobody overtakes") {
    scheduler pool(2);
    mutex door;
    door.lock();
    martlet::event got_it;
    martlet::event may_end;
    auto next = pool.spawn([&]() -> task<> {
      const auto held = co_await door.acquire();
      got_it.set();
      co_await may_end.wait();
    });
    REQUIRE(eventually([&] { return next.state() == martlet::status::blocked; }));
    door.unlock();
    CHECK_FALSE(door.try_lock());
    await(got_it.wait());
    may_end.set();
    await(next.join());
    CHECK(door.try_lock());
    door.unlock();
  }

  TEST_CASE("its owner is the tasklet, which unlocks it on another thread than the one that locked it") {
    scheduler pool({.workers = 2, .migrate_always = true});
    mutex door;
    CHECK(pool.block_on(pool.spawn([&] {
      const auto before = thread_now();
      const std::lock_guard held(door);
      await(martlet::yield());
      return thread_now() != before;
    })));
    CHECK(pool.block_on(pool.spawn([&]() -> task<bool> {
      const auto before = thread_now();
      const auto held = co_await door.acquire();
      co_await martlet::yield();
      co_return thread_now() != before;
    })));
    CHECK(door.try_acquire().owns_lock());
  }

  TEST_CASE("the guards of the standard work in fibers and on threads, over two mutexes too") {
    scheduler pool(2);
    mutex one;
    mutex other;
    long counter = 0;
    const int rounds = scaled(5000);
    {
      crew all(pool);
      for (int i = 0; i < 4; ++i) {
        all.add(
            i == 3 ? actor::thread : actor::fiber, []() -> task<> { co_return; },
            [&, i] {
              for (int r = 0; r < rounds; ++r) {
                if (i % 2 == 0) {
                  const std::scoped_lock both(one, other);
                  ++counter;
                } else {
                  const std::scoped_lock both(other, one);
                  ++counter;
                }
              }
            });
      }
    }
    CHECK(counter == 4L * rounds);
    std::unique_lock held(one, std::try_to_lock);
    CHECK(held.owns_lock());
    held.unlock();
    held.lock();
  }

  TEST_CASE("a guard moves, lets go early or not at all, and goes over into a standard one") {
    mutex door;
    mutex::guard held = door.try_acquire();
    REQUIRE(held);
    CHECK(held.mutex() == &door);
    mutex::guard moved = std::move(held);
    CHECK_FALSE(held);
    moved.unlock();
    CHECK_FALSE(moved);
    moved = await(door.acquire());
    mutex* const released = moved.release();
    CHECK(released == &door);
    { const std::unique_lock same(*released, std::adopt_lock); }
    moved = door.try_acquire();
    moved = mutex::guard();
    CHECK(door.try_lock());
    door.unlock();
  }

  TEST_CASE("it is a case of a select and takes a limit; what was not done has taken nothing") {
    mutex door;
    martlet::channel<int> c(1);
    scheduler pool(2);
    martlet::event has_it;
    martlet::event may_end;
    auto holding = pool.spawn([&] {
      const std::lock_guard held(door);
      has_it.set();
      await(may_end.wait());
    });
    await(has_it.wait());
    CHECK_THROWS_AS(static_cast<void>(await(martlet::within(1ms, door.acquire()))), martlet::deadline_passed);
    await(c.send(1));
    CHECK(await(martlet::select(door.acquire(), c.receive())).index() == 1);
    may_end.set();
    await(holding.join());
    {
      auto first = await(martlet::select(door.acquire(), c.receive()));
      CHECK(first.index() == 0);
      CHECK(std::get<0>(first).owns_lock());
      CHECK_THROWS_AS(door.try_lock(), misuse);
    }
    CHECK(await(martlet::within(1h, door.acquire())).owns_lock());
  }

  TEST_CASE("a cancel against an unlock: it is had or not had, and never lost") {
    scheduler pool(2);
    mutex door;
    const int rounds = scaled(20'000);
    int had = 0;
    int not_had = 0;
    for (int i = 0; i < rounds; ++i) {
      door.lock();
      const auto blocking = [&] {
        try {
          const std::lock_guard held(door);
          return true;
        } catch (const martlet::cancelled&) {
          return false;
        }
      };
      auto waiting = i % 2 == 0 ? pool.spawn([&]() -> task<bool> {
        try {
          const auto held = co_await door.acquire();
          co_return true;
        } catch (const martlet::cancelled&) {}
        co_return false;
      })
                                : pool.spawn(blocking);
      auto unlocking = pool.spawn([&waiting] { waiting.cancel(); });
      for (int pause = 0; pause < i % 300; ++pause) {
        martlet::base::cpu_pause();
      }
      door.unlock();
      await(unlocking.join());
      ++(pool.block_on(std::move(waiting)) ? had : not_had);
      const auto free = door.try_acquire();
      REQUIRE(free.owns_lock());
    }
    CHECK(had + not_had == rounds);
    MESSAGE("had ", had, ", not had ", not_had);
  }

  TEST_CASE("an unlock passes over one who was just cancelled") {
    scheduler pool(1);
    mutex door;
    martlet::event may_unlock;
    const auto waits = [&]() -> task<> { const auto held = co_await door.acquire(); };
    martlet::handle<> oldest;
    martlet::handle<> next;
    auto holder = pool.spawn([&] {
      std::unique_lock held(door);
      await(may_unlock.wait());
      oldest.cancel();
      held.unlock();  // the only worker runs this: the oldest still stands in the list
      next.cancel();  // ends only a wait that was not given the mutex
    });
    REQUIRE(eventually([&] { return holder.state() == martlet::status::blocked; }));
    oldest = pool.spawn(waits);
    REQUIRE(eventually([&] { return oldest.state() == martlet::status::blocked; }));
    next = pool.spawn(waits);
    REQUIRE(eventually([&] { return next.state() == martlet::status::blocked; }));
    may_unlock.set();
    await(holder.join());
    CHECK_THROWS_AS(pool.block_on(std::move(oldest)), martlet::cancelled);
    CHECK_NOTHROW(pool.block_on(std::move(next)));
    CHECK(door.try_acquire().owns_lock());
  }

  TEST_CASE("a tasklet that takes it again and again lets others run, and holds it for none of that time") {
    scheduler pool(1);
    for (const bool is_fiber : {false, true}) {
      mutex door;
      martlet::base::atomic<bool> is_done{false};
      bool was_locked = false;
      const auto look = [&] {
        was_locked = was_locked || !door.try_lock();
        if (!was_locked) {
          door.unlock();
        }
      };
      auto greedy = is_fiber ? pool.spawn([&] {
        while (!is_done) {
          const std::lock_guard held(door);
        }
      })
                             : pool.spawn([&]() -> task<> {
                                 while (!is_done) {
                                   const auto held = co_await door.acquire();
                                 }
                               });
      auto other = pool.spawn([&]() -> task<> {
        for (int i = 0; i < 1000; ++i) {
          look();
          co_await martlet::yield();
        }
        is_done = true;
      });
      pool.block_on(std::move(other));
      pool.block_on(std::move(greedy));
      CHECK_FALSE(was_locked);
    }
  }

  TEST_CASE("locking it again, unlocking what is another's or nobody's: a sentence each") {
    scheduler pool(2);
    mutex door;
    const char* again =
        "mutex: its owner locked it again and would wait for itself; lock it once, or use a recursive_mutex";
    const char* not_mine =
        "mutex: unlock was called by a tasklet or thread that does not own it; who locked it unlocks it, once";
    CHECK(thrown_by<misuse>([&] { door.unlock(); }) == not_mine);
    door.lock();
    CHECK(thrown_by<misuse>([&] { door.lock(); }) == again);
    CHECK(thrown_by<misuse>([&] { door.try_lock(); }) == again);
    CHECK(thrown_by<misuse>([&] { static_cast<void>(await(door.acquire())); }) == again);
    CHECK(pool.block_on(pool.spawn([&] { return thrown_by<misuse>([&] { door.unlock(); }); })) == not_mine);
    std::thread([&] { CHECK(thrown_by<misuse>([&] { door.unlock(); }) == not_mine); }).join();
    door.unlock();
    CHECK(pool.block_on(pool.spawn([&] {
      const std::lock_guard held(door);
      return thrown_by<misuse>([&] { door.lock(); });
    })) == again);
    const bool threw = pool.block_on(pool.spawn([&]() -> task<bool> {
      const auto held = co_await door.acquire();
      try {
        static_cast<void>(co_await door.acquire());
      } catch (const misuse&) {
        co_return true;
      }
      co_return false;
    }));
    CHECK(threw);
    mutex::guard nothing;
    CHECK(thrown_by<misuse>([&] { nothing.unlock(); }) ==
          "guard: unlock was called on one that holds nothing (it was unlocked, released or moved from before)");
    CHECK(door.try_acquire().owns_lock());
  }

  TEST_CASE("what cannot go on stops the program with a sentence" * doctest::skip(MARTLET_TSAN != 0)) {
    CHECK(in_child([] {
            mutex door;
            door.lock();
          }).said("a mutex was destroyed while it was locked and 0 tasklets waited for it"));
    CHECK(in_child([] {
            scheduler pool(1);
            mutex door;
            pool.block_on(pool.spawn([&door]() -> task<> {
              door.lock();
              co_return;
            }));
          }).said("martlet::await was called inside a coroutine"));
    CHECK(in_child([] {
            mutex door;
            auto held = door.try_acquire();
            std::thread([&held] { const auto mine = std::move(held); }).join();
          }).said("unlock was called by a tasklet or thread that does not own it"));
  }
}

}  // namespace
