#include <martlet/channel.hpp>

#include <chrono>

#include <doctest/doctest.h>

#include <martlet/scheduler.hpp>

#include "crew.hpp"
#include "scale.hpp"

namespace {

using namespace martlet::testing;
using martlet::channel;
using martlet::scheduler;
using martlet::task;
using flag = martlet::base::atomic<bool>;

TEST_SUITE("budget") {
  TEST_CASE("a tasklet whose channel operations always succeed lets others run") {
    for (const actor kind : {actor::coroutine, actor::fiber}) {
      scheduler pool(martlet::scheduler_options{.workers = 1, .lent_threads = 0});
      flag over{false};
      channel<int> c(1);
      crew all(pool);
      all.add(
          kind,
          [&]() -> task<> {
            martlet::spawn([&over]() -> task<> {
              over = true;
              co_return;
            });
            while (!over) {
              co_await c.send(1);
              co_await c.receive();
            }
          },
          [&] {
            martlet::spawn([&over] { over = true; });
            while (!over) {
              martlet::await(c.send(1));
              martlet::await(c.receive());
            }
          });
      all.join();
      CHECK(over);
    }
  }

  TEST_CASE("a closed channel, a select that is ready and a finished join count too") {
    scheduler pool(martlet::scheduler_options{.workers = 1, .lent_threads = 0});
    channel<int> closed;
    closed.close();
    for (int what = 0; what < 2; ++what) {
      flag over{false};
      pool.block_on([&]() -> task<> {
        martlet::spawn([&over] { over = true; });
        while (!over) {
          if (what == 0) {
            co_await closed.receive();
          } else {
            co_await martlet::select(closed.receive(), closed.receive());
          }
        }
      }());
      CHECK(over);
    }
  }

  TEST_CASE("two that keep waking each other let a third one run") {
    scheduler pool(martlet::scheduler_options{.workers = 1, .lent_threads = 0});
    flag over{false};
    channel<int> c;
    crew all(pool);
    all.add(
        actor::fiber, []() -> task<> { co_return; },
        [&] {
          while (!over) {
            martlet::await(c.send(1));
          }
          c.close();
        });
    all.add(
        actor::coroutine,
        [&]() -> task<> {
          while (auto one = co_await c.receive()) {}
        },
        [] {});
    pool.block_on([&]() -> task<> {
      for (int i = 0; i < 10; ++i) {
        co_await martlet::yield();
      }
      over = true;
    }());
    all.join();
    CHECK(over);
  }
}

}  // namespace
