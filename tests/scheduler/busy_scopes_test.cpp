#include <martlet/scheduler/scope.hpp>

#include <chrono>

#include <doctest/doctest.h>

#include <martlet/scheduler.hpp>
#include <martlet/tasklet/shield.hpp>

#include "eventually.hpp"
#include "scope_children.hpp"

// A tasklet keeps its worker to itself until its children have ended, which run on another one.
namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::await;
using martlet::deadline_passed;
using martlet::in_scope;
using martlet::scheduler;
using martlet::scope;
using martlet::sleep_for;
using martlet::task;

// Waits without a wait that could be ended.
template <class Claim>
void spin_until(Claim claim) {
  REQUIRE(eventually(claim));
}

TEST_SUITE("scopes of a busy tasklet") {
  TEST_CASE("the limit around it reaches the children of the inner one while their tasklet is busy or shielded") {
    scheduler pool(2);
    for (const bool is_object : {false, true}) {
      for (const bool is_shielded : {false, true}) {
        const auto run = [&](scope& inner) {
          counter stopped{0};
          const auto child = inner.spawn(sleeps(stopped));
          const auto has_ended = [&] { return child.state() >= martlet::status::done; };
          if (is_shielded) {
            const martlet::shield undisturbed;
            while (!has_ended()) {
              await(sleep_for(1ms));
            }
          } else {
            spin_until(has_ended);
          }
          CHECK(stopped == 1);
        };
        pool.block_on(pool.spawn([&] {
          CHECK_THROWS_AS(in_scope(20ms,
                                   [&](scope&) {
                                     if (is_object) {
                                       scope inner(1h);
                                       run(inner);
                                       inner.join();
                                     } else {
                                       in_scope(1h, run);
                                     }
                                     await(sleep_for(1h));
                                   }),
                          deadline_passed);
        }));
      }
    }
  }

  TEST_CASE("the limit of a scope reaches the children of its children") {
    scheduler pool(2);
    pool.block_on([]() -> task<> {
      counter stopped{0};
      bool threw = false;
      try {
        co_await in_scope(20ms, [&](scope& outer) -> task<> {
          outer.spawn([&] {
            in_scope([&](scope& inner) {
              inner.spawn(sleeps(stopped));
              spin_until([&] { return stopped == 1; });
            });
          });
          co_return;
        });
      } catch (const deadline_passed&) {
        threw = true;
      }
      CHECK(threw);
      CHECK(stopped == 1);
    }());
  }
}

}  // namespace
