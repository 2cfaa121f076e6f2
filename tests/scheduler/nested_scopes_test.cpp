#include <martlet/scheduler/scope.hpp>

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>

#include <doctest/doctest.h>

#include <martlet/scheduler.hpp>
#include <martlet/tasklet/shield.hpp>
#include <martlet/tasklet/this_tasklet.hpp>

#include "eventually.hpp"
#include "in_child.hpp"
#include "scale.hpp"
#include "scope_children.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::await;
using martlet::cancelled;
using martlet::deadline_passed;
using martlet::in_scope;
using martlet::misuse;
using martlet::scheduler;
using martlet::scope;
using martlet::sleep_for;
using martlet::task;

// Waits for an hour, or until it is stopped.
bool is_stopped_here() {
  try {
    await(sleep_for(1h));
    return false;
  } catch (const cancelled&) {
    return true;
  }
}

// Waits without a wait that could be ended.
template <class Claim>
void spin_until(Claim claim) {
  REQUIRE(eventually(claim));
}

TEST_SUITE("scopes inside of scopes") {
  TEST_CASE("the outer one may be joined inside of the inner one, and both end in order") {
    scheduler pool(1);
    const bool knows_parent = pool.block_on(pool.spawn([] {
      const auto self = martlet::this_tasklet::id();
      bool is_right = true;
      in_scope([&](scope& outer) {
        in_scope([&](scope& inner) {
          outer.spawn([] { await(martlet::yield()); });
          outer.join();
          is_right = martlet::await(inner.spawn([&] { return martlet::this_tasklet::parent() == self; }).join());
        });
        is_right = is_right && await(outer.spawn([&] { return martlet::this_tasklet::parent() == self; }).join());
      });
      return is_right && martlet::this_tasklet::parent() != self;
    }));
    CHECK(knows_parent);
  }

  TEST_CASE("a join forgives its own scope, and not the one that is stopped inside or around it") {
    scheduler pool(1);
    pool.block_on(pool.spawn([] {
      in_scope([&](scope& outer) {
        in_scope([&](scope& inner) {
          inner.cancel();
          outer.spawn([] {});
          outer.join();
          CHECK(is_stopped_here());  // the inner one still is
        });
        CHECK_NOTHROW(await(martlet::yield()));
        in_scope([&](scope& inner) {
          inner.spawn([]() -> int { throw std::runtime_error("once"); });
          CHECK_THROWS_AS(inner.join(), std::runtime_error);
          CHECK_NOTHROW(await(martlet::yield()));  // it may be used again
        });
      });
    }));
  }

  TEST_CASE("a limit that has passed still stands after a join") {
    scheduler pool(1);
    pool.block_on(pool.spawn([] {
      counter stopped{0};
      CHECK_THROWS_AS(in_scope(5ms,
                               [&](scope& s) {
                                 s.spawn(sleeps(stopped));
                                 CHECK_THROWS_AS(s.join(), deadline_passed);
                                 CHECK(is_stopped_here());
                                 s.spawn(sleeps(stopped));
                                 throw cancelled();
                               }),
                      deadline_passed);
      CHECK(stopped == 2);
      CHECK_NOTHROW(await(martlet::yield()));
    }));
  }

  TEST_CASE("whichever of nested scopes hears first of their common limit, it is the outer one that says so") {
    scheduler pool(2);
    for (int i = 0; i < scaled(300); ++i) {
      const auto waits_inside = [] {
        scope inner;
        inner.spawn([] { await(sleep_for(1h)); });
        inner.join();
      };
      CHECK_THROWS_AS(pool.block_on(pool.spawn([&] { in_scope(1ms, [&](scope&) { waits_inside(); }); })),
                      deadline_passed);
      CHECK_THROWS_AS(pool.block_on(pool.spawn([&] { in_scope(1ms, [&](scope& s) { s.spawn(waits_inside); }); })),
                      deadline_passed);
    }
  }

  TEST_CASE("what was cut short by the limit around it does not look complete") {
    scheduler pool(1);
    pool.block_on(pool.spawn([] {
      bool went_on = false;
      CHECK_THROWS_AS(in_scope(5ms,
                               [&](scope&) {
                                 scope inner;
                                 counter stopped{0};
                                 inner.spawn(sleeps(stopped));
                                 const martlet::shield undisturbed;
                                 inner.join();
                                 went_on = true;
                               }),
                      deadline_passed);
      CHECK_FALSE(went_on);
    }));
  }

  TEST_CASE("a limit does not pass a shield: what is made behind one has the limits that are given there") {
    scheduler pool(1);
    pool.block_on(pool.spawn([] {
      int done = 0;
      const auto works = [&] {
        await(sleep_for(20ms));
        ++done;
      };
      in_scope(5ms, [&](scope&) {
        const martlet::shield undisturbed;
        scope object;
        object.spawn(works);
        in_scope([&](scope& inner) {
          inner.spawn(works);
          in_scope([&](scope& innermost) { innermost.spawn(works); });
          CHECK_THROWS_AS(in_scope(1ms, [&](scope& limited) { limited.spawn(works); }), deadline_passed);
        });
        object.join();
      });
      CHECK(done == 3);
    }));
  }

  TEST_CASE("a child that is spawned by a cancelled tasklet is cancelled, one behind a shield is not") {
    scheduler pool(1);
    martlet::base::atomic<bool> is_told{false};
    auto spawns = pool.spawn([&] {
      spin_until([&] { return is_told.load(); });
      scope here;
      {
        const martlet::shield undisturbed;
        auto works = here.spawn([] {
          await(martlet::yield());
          return 3;
        });
        CHECK(await(works.join()) == 3);
      }
      auto stopped = here.spawn([] { return is_stopped_here(); });
      const martlet::shield undisturbed;
      CHECK(await(stopped.join()));
    });
    REQUIRE(eventually([&] { return spawns.state() == martlet::status::running; }));
    spawns.cancel();
    is_told = true;
    try {
      pool.block_on(std::move(spawns));
    } catch (const cancelled&) {}
  }

  TEST_CASE("a scope is joined by the tasklet that made it") {
    scheduler pool(1);
    const auto joins = [](scope& one) {
      try {
        one.join();
        return std::string("nothing");
      } catch (const misuse& e) {
        return std::string(e.what());
      }
    };
    const char* sentence =
        "scope: join was called by another tasklet or thread than the one that made the scope, which alone hears of its own "
        "cancel; join it there";
    scope of_thread(pool);
    CHECK(pool.block_on(pool.spawn([&] { return joins(of_thread); })) == sentence);
    std::thread([&] { CHECK(joins(of_thread) == "nothing"); }).join();  // threads are all alike
    pool.block_on(pool.spawn([&] {
      scope of_fiber;
      CHECK(await(martlet::spawn([&] { return joins(of_fiber); }).join()) == sentence);
    }));
  }

  TEST_CASE("one that still has children is destroyed by it too") {
    const auto end = in_child([] {
      scheduler own(1);
      std::optional<scope> left;
      own.block_on(own.spawn([&] {
        left.emplace();
        left->spawn([] { await(sleep_for(1h)); });
      }));
      left.reset();
    });
    CHECK(end.was_aborted());
    CHECK(end.said("was destroyed by another tasklet than the one that made it"));
  }

  TEST_CASE("an object in a coroutine is refused though it would not have to wait") {
    const auto end = in_child([] {
      scheduler pool(1);
      pool.block_on([]() -> task<> {
        scope here;
        co_return;
      }());
    });
    CHECK(end.was_aborted());
    CHECK(end.said("inside a coroutine"));
  }
}

}  // namespace
