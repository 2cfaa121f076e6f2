#include <martlet/scheduler/held_worker.hpp>

#include <chrono>

#include <doctest/doctest.h>

#include <martlet/base/futex.hpp>
#include <martlet/scheduler.hpp>

#include "eventually.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::scheduler;
using martlet::task;

// Holds its worker until it is let go.
struct holder {
  void hold() {
    worker.store(martlet::detail::current_host(), martlet::base::release);
    while (may_go.load(martlet::base::acquire) == 0) {
      martlet::base::futex_wait(may_go, 0);
    }
  }
  martlet::detail::host& held() {
    martlet::detail::host* found = nullptr;
    REQUIRE(eventually([&] { return (found = worker.load(martlet::base::acquire)) != nullptr; }));
    return *found;
  }
  void let_go() {
    may_go.store(1, martlet::base::release);
    martlet::base::futex_wake(may_go);
  }

  martlet::base::atomic<martlet::detail::host*> worker{nullptr};
  martlet::base::futex_word may_go{0};
};

TEST_SUITE("a held worker") {
  TEST_CASE("it has the same number of turns until its tasklet lets it go") {
    scheduler pool(1);
    holder one;
    auto holding = pool.spawn([&] { one.hold(); });
    const std::uint64_t before = martlet::detail::turns_of(one.held());
    auto waiting = pool.spawn([] {});
    CHECK(waiting.state() == martlet::status::queued);
    CHECK(martlet::detail::turns_of(one.held()) == before);
    one.let_go();
    pool.block_on(std::move(waiting));
    CHECK(martlet::detail::turns_of(one.held()) > before);
    pool.block_on(std::move(holding));
  }

  TEST_CASE("who slept there is made ready by whoever looks after it") {
    scheduler pool(1);
    holder one;
    auto sleeping = pool.spawn([]() -> task<> { co_await martlet::sleep_for(1ms); }());
    auto holding = pool.spawn([&] { one.hold(); });
    martlet::detail::host& held = one.held();
    CHECK(eventually([&] {
      martlet::detail::look_after(held);
      return sleeping.state() == martlet::status::queued;
    }));
    one.let_go();
    pool.block_on(std::move(sleeping));
    pool.block_on(std::move(holding));
  }
}

}  // namespace
