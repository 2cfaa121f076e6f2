#include <martlet/channel/event.hpp>

#include <chrono>
#include <vector>

#include <doctest/doctest.h>

#include <martlet/channel.hpp>

#include "crew.hpp"
#include "eventually.hpp"
#include "in_child.hpp"
#include "scale.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::await;
using martlet::event;
using martlet::scheduler;
using martlet::task;

TEST_SUITE("event") {
  TEST_CASE("all who wait go on when it is set, and who comes later does not wait") {
    scheduler pool(2);
    event loaded;
    martlet::base::atomic<int> went_on{0};
    {
      crew all(pool);
      for (int i = 0; i < 9; ++i) {
        all.add(
            all_actors[i % 3],
            [&]() -> task<> {
              co_await loaded.wait();
              ++went_on;
            },
            [&] {
              await(loaded.wait());
              ++went_on;
            });
      }
      CHECK_FALSE(loaded.is_set());
      CHECK(went_on == 0);
      loaded.set();
    }
    CHECK(went_on == 9);
    CHECK(loaded.is_set());
    await(loaded.wait());
    loaded.set();
    await(loaded.wait());
  }

  TEST_CASE("after a reset one waits again; who was waiting before goes on all the same") {
    scheduler pool(2);
    event e;
    auto first = pool.spawn([&]() -> task<> { co_await e.wait(); });
    REQUIRE(eventually([&] { return first.state() == martlet::status::blocked; }));
    e.set();
    e.reset();
    pool.block_on(std::move(first));
    CHECK_FALSE(e.is_set());
    CHECK_THROWS_AS(await(martlet::within(1ms, e.wait())), martlet::deadline_passed);
    e.reset();
  }

  TEST_CASE("ten thousand who wait are set free from one place, in order, from a destructor too") {
    scheduler pool(2);
    const int count = scaled(10'000);
    event e;
    martlet::base::atomic<int> went_on{0};
    std::vector<martlet::handle<>> waiting;
    for (int i = 0; i < count; ++i) {
      waiting.push_back(pool.spawn([](event& of, martlet::base::atomic<int>& on) -> task<> {
        co_await of.wait();
        ++on;
      }(e, went_on)));
    }
    for (auto& one : waiting) {
      REQUIRE(eventually([&] { return one.state() == martlet::status::blocked; }));
    }
    struct sets {
      event& of;
      ~sets() { of.set(); }
    };
    pool.block_on(pool.spawn([&] { const sets at_end{e}; }));
    for (auto& one : waiting) {
      pool.block_on(std::move(one));
    }
    CHECK(went_on == count);
  }

  TEST_CASE("a set event may be destroyed by whoever it woke") {
    scheduler pool(2);
    const int rounds = scaled(20'000);
    for (int i = 0; i < rounds; ++i) {
      auto e = std::make_unique<event>();
      event& of = *e;
      auto waits = pool.spawn([mine = std::move(e)]() mutable -> task<> {
        co_await mine->wait();
        mine.reset();
      });
      if (i % 2 == 0) {
        of.set();
      } else {
        pool.block_on(pool.spawn([&of]() -> task<> {
          of.set();
          co_return;
        }));
      }
      pool.block_on(std::move(waits));
    }
  }

  TEST_CASE("destroying one with waiters stops the program" * doctest::skip(MARTLET_TSAN != 0)) {
    CHECK(in_child([] {
            scheduler pool(1);
            auto* e = new event;
            auto waits = pool.spawn([e]() -> task<> { co_await e->wait(); });
            eventually([&] { return waits.state() == martlet::status::blocked; });
            delete e;
          }).said("an event was destroyed while 1 tasklets waited for it: set it and let them end first"));
  }
}

}  // namespace
