#include <chrono>
#include <thread>

#include <doctest/doctest.h>

#include <martlet/scheduler.hpp>
#include <martlet/tasklet/tasklet.hpp>

#include "counted.hpp"
#include "eventually.hpp"

// A child's place in its scope, which a canceller holds to keep the child from ending.

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::scheduler;
using martlet::scope;
using martlet::task;

TEST_SUITE("membership") {
  TEST_CASE("a place that one canceller holds is none for another, and its child waits") {
    using martlet::detail::tasklet;
    tasklet child(martlet::detail::kind::thread, tasklet::on_stack{});
    martlet::detail::membership place{};
    CHECK(place.hold() == nullptr);
    martlet::detail::membership other{};
    place.vacate(&other);
    CHECK(place.hold() == nullptr);
    CHECK(place.next() == &other);
    place.who = reinterpret_cast<std::uintptr_t>(&child);
    CHECK(place.hold() == &child);
    CHECK(place.hold() == nullptr);
    martlet::base::atomic<bool> has_left{false};
    std::thread ends([&] {
      place.leave(child);
      has_left = true;
    });
    std::this_thread::sleep_for(1ms);
    CHECK(!has_left);
    place.let_go(&child);
    ends.join();
    CHECK(place.hold() == nullptr);
  }

  TEST_CASE("a child whose handle is dropped while a canceller keeps it from ending frees itself") {
    using namespace martlet::detail;
    scheduler pool(1);
    scope here(pool);
    tally all;
    martlet::base::atomic<membership*> its_place{nullptr};
    martlet::base::atomic<bool> may_end{false};
    auto child = here.spawn([&]() -> task<counted> {
      its_place = &membership::of(owner_link_of(*running_tasklet()));
      while (!may_end) {
        std::this_thread::yield();
      }
      co_return counted(all, 1);
    });
    REQUIRE(eventually([&] { return its_place != nullptr; }));
    membership& place = *its_place.load();
    tasklet* const held = place.hold();
    REQUIRE(held == record_of(child));
    may_end = true;
    REQUIRE(eventually([&] { return all.made >= 1; }));
    std::this_thread::sleep_for(1ms);  // now it ends, or is about to
    child = {};
    place.let_go(held);
    here.join();
    CHECK(eventually([&] { return all.is_balanced(); }));
  }
}

}  // namespace
