#include <martlet/tasklet/shield.hpp>

#include <chrono>
#include <thread>

#include <doctest/doctest.h>

#include <martlet/base/atomic.hpp>
#include <martlet/scheduler.hpp>

#include "eventually.hpp"
#include "in_child.hpp"
#include "scale.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::cancelled;
using martlet::scheduler;
using martlet::shield;
using martlet::status;
using martlet::task;
using counter = martlet::base::atomic<int>;

TEST_SUITE("shield") {
  TEST_CASE("a cancel is heard by the first wait after it, not by those behind it") {
    scheduler pool(2);
    counter step{0};
    auto coroutine = pool.spawn([](counter& at) -> task<> {
      {
        shield undisturbed;
        at = 1;
        co_await martlet::sleep_for(20ms);
        at = 2;
      }
      co_await martlet::sleep_for(0s);
      at = 3;
    }(step));
    REQUIRE(eventually([&] { return step == 1 && coroutine.state() == status::blocked; }));
    coroutine.cancel();
    CHECK_THROWS_AS(pool.block_on(std::move(coroutine)), cancelled);
    CHECK(step == 2);

    auto fiber = pool.spawn([&step] {
      {
        shield outer;
        { shield inner; }
        step = 11;
        martlet::await(martlet::sleep_for(20ms));
        step = 12;
      }
      martlet::await(martlet::yield());
      step = 13;
    });
    REQUIRE(eventually([&] { return step == 11 && fiber.state() == status::blocked; }));
    fiber.cancel();
    CHECK_THROWS_AS(pool.block_on(std::move(fiber)), cancelled);
    CHECK(step == 12);
  }

  TEST_CASE("one who was cancelled can clean up behind it") {
    scheduler pool(2);
    counter cleaned{0};
    auto h = pool.spawn([](counter& n) -> task<> {
      std::exception_ptr why;
      try {
        co_await martlet::sleep_for(1h);
      } catch (const cancelled&) {
        why = std::current_exception();
      }
      {
        shield undisturbed;
        co_await martlet::sleep_for(1ms);
        ++n;
      }
      std::rethrow_exception(why);
    }(cleaned));
    REQUIRE(eventually([&] { return h.state() == status::blocked; }));
    h.cancel();
    CHECK_THROWS_AS(pool.block_on(std::move(h)), cancelled);
    CHECK(cleaned == 1);
  }

  TEST_CASE("cancels that come while shields are raised and lowered end no wait behind one") {
    scheduler pool(2);
    counter wrong{0};
    counter stopped{0};
    const int rounds = scaled(4000);
    for (int i = 0; i < rounds; ++i) {
      auto h = pool.spawn([](counter& bad, counter& n) -> task<> {
        for (;;) {
          try {
            shield undisturbed;
            co_await martlet::yield();
            co_await martlet::sleep_for(1us);
            co_await martlet::spawn([]() -> task<> { co_await martlet::yield(); }()).join();
          } catch (const cancelled&) {
            ++bad;
          }
          try {
            co_await martlet::sleep_for(1us);
          } catch (const cancelled&) {
            ++n;
            co_return;
          }
        }
      }(wrong, stopped));
      for (int spin = 0; spin < i % 97 * 20; ++spin) {
        martlet::base::cpu_pause();
      }
      h.cancel();
      pool.block_on(std::move(h));
    }
    CHECK(wrong == 0);
    CHECK(stopped == rounds);
  }

  TEST_CASE("63 of them are behind one another, and one more stops the program with a sentence") {
    const auto nests = [](int depth) {
      scheduler pool(1);
      pool.block_on(pool.spawn([depth] {
        const auto raise = [](auto& self, int more) -> void {
          const shield one;
          if (more > 1) {
            self(self, more - 1);
          } else {
            martlet::await(martlet::yield());
          }
        };
        raise(raise, depth);
      }));
    };
    CHECK(in_child([&] { nests(63); }).exited_with(0));
    const auto end = in_child([&] { nests(64); });
    CHECK(end.was_aborted());
    CHECK(end.said("martlet: a tasklet stands behind more than 63 shields: one is enough for all that it calls"));
  }

  TEST_CASE("on a plain thread it does nothing") {
    shield nothing;
    martlet::await(martlet::sleep_for(1us));
  }
}

}  // namespace
