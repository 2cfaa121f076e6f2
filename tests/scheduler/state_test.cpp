#include <martlet/scheduler.hpp>

#include <chrono>
#include <stdexcept>
#include <thread>

#include <doctest/doctest.h>

#include "eventually.hpp"

namespace {

using namespace martlet::testing;
using martlet::scheduler;
using martlet::status;
using martlet::task;

task<> waits_long() { co_await martlet::sleep_for(std::chrono::hours(1)); }
task<> fails() {
  throw std::runtime_error("on purpose");
  co_return;
}

// Keeps the only worker of a scheduler busy until it is told.
struct plug {
  martlet::base::atomic<bool> is_in{false};
  martlet::base::atomic<bool> may_go{false};

  void hold() {
    is_in = true;
    while (!may_go) {
      std::this_thread::yield();
    }
  }
};

TEST_SUITE("state") {
  TEST_CASE("it is queued before its turn, running in it, and done afterwards, and asking never waits") {
    martlet::scheduler pool(martlet::scheduler_options{.workers = 1, .lent_threads = 0});
    for (const bool is_fiber : {false, true}) {
      plug p;
      martlet::handle<> runs;
      if (is_fiber) {
        runs = pool.spawn([&p] { p.hold(); });
      } else {
        runs = pool.spawn([](plug& held) -> task<> {
          held.hold();
          co_return;
        }(p));
      }
      REQUIRE(eventually([&] { return p.is_in.load(); }));
      auto queued = pool.spawn([]() -> task<> { co_return; });
      auto queued_fiber = pool.spawn([] {});
      CHECK(runs.state() == status::running);
      CHECK(queued.state() == status::queued);
      CHECK(queued_fiber.state() == status::queued);
      p.may_go = true;
      CHECK(eventually([&] { return runs.state() == status::done; }));
      CHECK(eventually([&] { return queued.state() == status::done; }));
      CHECK(eventually([&] { return queued_fiber.state() == status::done; }));
    }
  }

  TEST_CASE("it is blocked while it waits, in a sleep, a join or deep inside") {
    scheduler pool(2);
    auto sleeper = pool.spawn(waits_long());
    auto fiber = pool.spawn([] { martlet::await(martlet::sleep_for(std::chrono::hours(1))); });
    auto deep = pool.spawn([]() -> task<> { co_await waits_long(); });
    auto joiner =
        pool.spawn([](martlet::handle<> inner) -> task<> { co_await inner.join(); }(pool.spawn(waits_long())));
    for (auto* h : {&sleeper, &fiber, &deep, &joiner}) {
      CHECK(eventually([&] { return h->state() == status::blocked; }));
    }
  }

  TEST_CASE("it is failed after an exception, until the join and after it") {
    scheduler pool(2);
    auto coroutine = pool.spawn(fails());
    auto fiber = pool.spawn([] { throw std::runtime_error("on purpose"); });
    CHECK(eventually([&] { return coroutine.state() == status::failed; }));
    CHECK(eventually([&] { return fiber.state() == status::failed; }));
    CHECK_THROWS_AS(martlet::await(coroutine.join()), std::runtime_error);
    CHECK_THROWS_AS(martlet::await(fiber.join()), std::runtime_error);
    CHECK(coroutine.state() == status::failed);
  }

  TEST_CASE("it can be asked after the scheduler has gone") {
    martlet::handle<> finished, stopped;
    {
      scheduler pool(2);
      finished = pool.spawn([]() -> task<> { co_return; });
      stopped = pool.spawn(waits_long());
      CHECK(eventually([&] { return finished.state() == status::done; }));
    }
    CHECK(finished.state() == status::done);
    CHECK(stopped.state() == status::failed);
  }
}

}  // namespace
