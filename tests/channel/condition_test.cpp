#include <martlet/channel/condition.hpp>

#include <chrono>
#include <deque>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <martlet/channel.hpp>
#include <martlet/tasklet/shield.hpp>

#include "crew.hpp"
#include "eventually.hpp"
#include "in_child.hpp"
#include "scale.hpp"
#include "thrown_by.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::await;
using martlet::condition;
using martlet::misuse;
using martlet::mutex;
using martlet::scheduler;
using martlet::task;

TEST_SUITE("condition") {
  TEST_CASE("a queue with a bound, of a mutex and two conditions, loses nothing between all kinds") {
    scheduler pool(2);
    mutex door;
    condition has_room;
    condition has_items;
    std::deque<int> items;
    const int rounds = scaled(3000);
    long sum = 0;
    const auto has_some = [&] { return !items.empty(); };
    const auto is_not_full = [&] { return items.size() < 4; };
    {
      crew all(pool);
      for (const actor kind : all_actors) {
        all.add(
            kind,
            [&]() -> task<> {
              for (int i = 0; i < rounds; ++i) {
                auto held = co_await door.acquire();
                co_await has_room.wait(held, is_not_full);
                items.push_back(i);
                has_items.notify_one();
              }
            },
            [&] {
              for (int i = 0; i < rounds; ++i) {
                std::unique_lock held(door);
                await(has_room.wait(held, is_not_full));
                items.push_back(i);
                has_items.notify_one();
              }
            });
        all.add(
            kind,
            [&]() -> task<> {
              for (int i = 0; i < rounds; ++i) {
                auto held = co_await door.acquire();
                while (items.empty()) {
                  co_await has_items.wait(held);
                }
                sum += items.front();
                items.pop_front();
                has_room.notify_one();
              }
            },
            [&] {
              for (int i = 0; i < rounds; ++i) {
                auto held = await(door.acquire());
                await(has_items.wait(held, has_some));
                sum += items.front();
                items.pop_front();
                has_room.notify_one();
              }
            });
      }
    }
    CHECK(items.empty());
    CHECK(sum == 3L * rounds * (rounds - 1) / 2);
    CHECK(door.try_acquire().owns_lock());
  }

  TEST_CASE("notify_one wakes the one that has waited longest, notify_all all, in order") {
    scheduler pool(1);
    mutex door;
    condition changed;
    std::vector<int> order;
    std::vector<martlet::handle<>> waiting;
    for (int i = 0; i < 6; ++i) {
      waiting.push_back(pool.spawn([&, i]() -> task<> {
        auto held = co_await door.acquire();
        co_await changed.wait(held);
        order.push_back(i);
      }));
      REQUIRE(eventually([&] { return waiting.back().state() == martlet::status::blocked; }));
    }
    changed.notify_one();
    await(waiting[0].join());
    CHECK(order == std::vector<int>{0});
    changed.notify_all();
    for (std::size_t i = 1; i < 6; ++i) {
      await(waiting[i].join());
    }
    CHECK(order == std::vector<int>{0, 1, 2, 3, 4, 5});
    changed.notify_one();
    changed.notify_all();
  }

  TEST_CASE("the mutex is let go of while one waits, and held again afterwards, also when the limit passes") {
    scheduler pool(2);
    mutex door;
    condition changed;
    crew all(pool);
    for (const actor kind : all_actors) {
      all.add(
          kind,
          [&]() -> task<> {
            auto held = co_await door.acquire();
            const bool notified = co_await changed.wait_for(held, 2ms);
            CHECK_FALSE(notified);
            CHECK(thrown_by<misuse>([&] { door.try_lock(); }) != "nothing");
            const bool holds =
                co_await changed.wait_until(held, std::chrono::steady_clock::now() + 1ms, [] { return false; });
            CHECK_FALSE(holds);
            const bool passed = co_await changed.wait_for(held, 0ms);
            CHECK_FALSE(passed);
            CHECK(held.owns_lock());
          },
          [&] {
            std::unique_lock held(door);
            CHECK_FALSE(await(changed.wait_for(held, 2ms)));
            CHECK(thrown_by<misuse>([&] { door.try_lock(); }) != "nothing");
            CHECK_FALSE(await(changed.wait_until(held, std::chrono::steady_clock::now() + 1ms, [] { return false; })));
            CHECK(await(changed.wait_for(held, 0ms, [] { return true; })));
            CHECK_FALSE(await(changed.wait_for(held, 0ms)));
            CHECK(held.owns_lock());
          });
    }
    all.join();
    CHECK(door.try_acquire().owns_lock());
  }

  TEST_CASE("who is cancelled holds the mutex when the exception arrives, even when another holds it in that moment") {
    scheduler pool(2);
    mutex door;
    condition changed;
    for (const bool is_fiber : {false, true}) {
      martlet::base::atomic<bool> held_it{false};
      auto waiting = is_fiber ? pool.spawn([&] {
        std::unique_lock held(door);
        try {
          await(changed.wait(held));
        } catch (const martlet::cancelled&) {
          held_it = thrown_by<misuse>([&] { door.try_lock(); }) != "nothing";
          throw;
        }
      })
                              : pool.spawn([&]() -> task<> {
                                  auto held = co_await door.acquire();
                                  try {
                                    co_await changed.wait(held);
                                  } catch (const martlet::cancelled&) {
                                    held_it = thrown_by<misuse>([&] { door.try_lock(); }) != "nothing";
                                    throw;
                                  }
                                });
      REQUIRE(eventually([&] { return waiting.state() == martlet::status::blocked; }));
      door.lock();
      waiting.cancel();
      waiting.cancel();
      std::this_thread::sleep_for(1ms);
      CHECK(eventually([&] { return waiting.state() == martlet::status::blocked; }));
      CHECK_FALSE(held_it);
      door.unlock();
      CHECK_THROWS_AS(pool.block_on(std::move(waiting)), martlet::cancelled);
      CHECK(held_it);
      CHECK(door.try_acquire().owns_lock());
    }
  }

  TEST_CASE("a notice, a cancel and a limit at the same time: the mutex is held, and no notice is lost") {
    scheduler pool(2);
    mutex door;
    condition changed;
    const int rounds = scaled(5000);
    for (int i = 0; i < rounds; ++i) {
      bool is_set = false;
      const auto body = [&](int kind) -> task<int> {
        mutex::guard held;
        try {
          held = co_await door.acquire();
        } catch (const martlet::cancelled&) {
          co_return 2;
        }
        int how = 0;
        try {
          if (kind == 0) {
            co_await changed.wait(held, [&] { return is_set; });
          } else {
            const bool holds =
                co_await changed.wait_for(held, std::chrono::microseconds(i % 150), [&] { return is_set; });
            how = holds ? 0 : 1;
          }
        } catch (const martlet::cancelled&) {
          how = 2;
        }
        CHECK(thrown_by<misuse>([&] { door.try_lock(); }) != "nothing");
        co_return how;
      };
      auto steady = pool.spawn([&] { return body(0); });
      auto wavering = pool.spawn([&] { return body(1); });
      auto setter = pool.spawn([&] {
        const std::lock_guard held(door);
        is_set = true;
        changed.notify_all();
      });
      if (i % 2 == 0) {
        wavering.cancel();
      }
      pool.block_on(std::move(setter));
      CHECK(pool.block_on(std::move(steady)) == 0);
      pool.block_on(std::move(wavering));
      REQUIRE(door.try_acquire().owns_lock());
    }
  }

  TEST_CASE("a thread whose limit passes while another holds the mutex goes on when it is free") {
    mutex door;
    condition changed;
    bool was_late = true;
    for (int attempt = 0; attempt < 100 && was_late; ++attempt) {
      martlet::base::atomic<bool> waits{false};
      martlet::base::atomic<bool> went_on{false};
      std::thread waiting([&] {
        std::unique_lock held(door);
        waits = true;
        CHECK_FALSE(await(changed.wait_for(held, 5ms)));
        went_on = true;
      });
      REQUIRE(eventually([&] { return waits.load(); }));
      door.lock();  // when it waits
      was_late = went_on;
      std::this_thread::sleep_for(10ms);
      CHECK(went_on == was_late);
      door.unlock();
      waiting.join();
      CHECK(went_on);
    }
    CHECK_FALSE(was_late);
    CHECK(door.try_acquire().owns_lock());
  }

  TEST_CASE("ten thousand that wait for one mutex are all notified at once") {
    scheduler pool(2);
    mutex door;
    condition changed;
    const int count = scaled(10'000);
    bool is_set = false;
    int went_on = 0;
    int waiting = 0;
    {
      martlet::scope all(pool);
      for (int i = 0; i < count; ++i) {
        all.spawn([](mutex& m, condition& c, bool& set, int& in, int& on) -> task<> {
          auto held = co_await m.acquire();
          ++in;
          co_await c.wait(held, [&set] { return set; });
          ++on;
        }(door, changed, is_set, waiting, went_on));
      }
      REQUIRE(eventually([&] {
        const std::lock_guard held(door);
        return waiting == count;
      }));
      {
        const std::lock_guard held(door);
        is_set = true;
      }
      changed.notify_all();
      all.join();
    }
    CHECK(went_on == count);
  }

  TEST_CASE("a notice for one who was just cancelled goes to the next") {
    scheduler pool(1);
    mutex door;
    condition changed;
    const auto waits = [&]() -> task<> {
      auto held = co_await door.acquire();
      co_await changed.wait(held);
    };
    auto oldest = pool.spawn(waits);
    REQUIRE(eventually([&] { return oldest.state() == martlet::status::blocked; }));
    auto next = pool.spawn(waits);
    REQUIRE(eventually([&] { return next.state() == martlet::status::blocked; }));
    pool.block_on(pool.spawn([&] {  // the only worker runs this: the oldest still stands in the list
      oldest.cancel();
      changed.notify_one();
      next.cancel();  // ends only a wait that had no notice
    }));
    CHECK_THROWS_AS(pool.block_on(std::move(oldest)), martlet::cancelled);
    CHECK_NOTHROW(pool.block_on(std::move(next)));
  }

  TEST_CASE("a predicate that throws ends the wait with the mutex held") {
    scheduler pool(1);
    mutex door;
    condition changed;
    const auto throws = []() -> bool { throw std::runtime_error("asked"); };
    {
      std::unique_lock held(door);
      CHECK_THROWS_AS(await(changed.wait(held, throws)), std::runtime_error);
      CHECK(held.owns_lock());
    }
    pool.block_on(pool.spawn([&]() -> task<> {
      auto held = co_await door.acquire();
      bool threw = false;
      try {
        co_await changed.wait(held, throws);
      } catch (const std::runtime_error&) {
        threw = true;
      }
      CHECK(threw);
      CHECK(held.owns_lock());
    }));
    CHECK(door.try_acquire().owns_lock());
  }

  TEST_CASE("a predicate that holds at once lets nobody on who was cancelled, except behind a shield") {
    scheduler pool(1);
    mutex door;
    condition changed;
    martlet::base::atomic<bool> is_told{false};
    const auto holds = [] { return true; };
    const auto until_told = [&] {
      while (!is_told) {}
    };
    const auto check_cancelled = [&](auto waiting) {
      REQUIRE(eventually([&] { return waiting.state() == martlet::status::running; }));
      waiting.cancel();
      is_told = true;
      CHECK_THROWS_AS(pool.block_on(std::move(waiting)), martlet::cancelled);
      CHECK(door.try_acquire().owns_lock());
      is_told = false;
    };
    for (const bool is_timed : {false, true}) {
      bool went_on = false;
      check_cancelled(pool.spawn([&]() -> task<> {
        auto held = co_await door.acquire();
        until_told();
        {
          const martlet::shield undisturbed;
          co_await changed.wait(held, holds);
          CHECK(co_await changed.wait_for(held, 1h, holds));
        }
        if (is_timed) {
          co_await changed.wait_for(held, 1h, holds);
        } else {
          co_await changed.wait(held, holds);
        }
        went_on = true;
      }));
      check_cancelled(pool.spawn([&] {
        std::unique_lock held(door);
        until_told();
        {
          const martlet::shield undisturbed;
          await(changed.wait(held, holds));
          CHECK(await(changed.wait_for(held, 1h, holds)));
        }
        if (is_timed) {
          await(changed.wait_for(held, 1h, holds));
        } else {
          await(changed.wait(held, holds));
        }
        went_on = true;
      }));
      CHECK_FALSE(went_on);
    }
  }

  TEST_CASE("a guard without its mutex is a misuse; destroying one with waiters stops the program") {
    scheduler pool(1);
    mutex door;
    condition changed;
    mutex::guard nothing;
    CHECK(thrown_by<misuse>([&] { await(changed.wait(nothing)); }) ==
          "condition: wait was called with a guard that holds nothing; lock its mutex first");
    CHECK(thrown_by<misuse>([&] { await(changed.wait(nothing, [] { return true; })); }) ==
          "condition: wait was called with a guard that holds nothing; lock its mutex first");
    auto mine = door.try_acquire();
    CHECK(pool.block_on(pool.spawn([&] { return thrown_by<misuse>([&] { await(changed.wait(mine)); }); })) ==
          "condition: a tasklet or thread waited that does not own the mutex; lock it first, in the same one");
    mine.unlock();
    CHECK(door.try_acquire().owns_lock());
    if (MARTLET_TSAN == 0) {
      CHECK(in_child([] {
              scheduler own(1);
              mutex m;
              auto* c = new condition;
              auto waits = own.spawn([&]() -> task<> {
                auto held = co_await m.acquire();
                co_await c->wait(held);
              });
              eventually([&] { return waits.state() == martlet::status::blocked; });
              delete c;
            }).said("a condition was destroyed while 1 tasklets waited for it"));
    }
  }
}

}  // namespace
