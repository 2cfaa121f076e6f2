#include <doctest/doctest.h>

#include <martlet/channel/once.hpp>

#include "checker/explore.hpp"
#include "checker/mutants.hpp"
#include "checker/var.hpp"
#include "listed.hpp"
#include "sleeper.hpp"

// A thread that runs no tasklets calls a once or waits for it, and sleeps itself meanwhile. A tasklet comes between.

using martlet::once;
using namespace martlet::model;

namespace {

// What is written once: plain data, so that who reads it without having waited races.
struct written {
  void write() { text.set(text.get() + 1); }
  void call() {
    door.call([this] { write(); });
    require_written();
  }
  void require_written() { require(text.get() == 1, "it was written once, and is seen"); }

  once door;
  var<int> text{0};
};

void caller_and_waiter() {
  written all;
  crew others;
  sleeper self(others);
  run_threads({{"calls",
                [&] {
                  self.sit_down();
                  require(all.door.try_call([&] { all.write(); }), "nobody else calls");
                }},
               {"waits", [&] {
                  martlet::await(all.door.wait());
                  all.require_written();
                }}});
}

void caller_and_asker() {
  written all;
  run_threads({{"calls", [&] { all.door.call([&] { all.write(); }); }}, {"asks", [&] {
                                                                           if (all.door.is_done()) {
                                                                             all.require_written();
                                                                           }
                                                                         }}});
}

void two_callers() {
  written all;
  crew others;
  sleeper self(others);
  run_threads({{"calls", [&] { all.call(); }}, {"tries", [&] {
                                                  self.sit_down();
                                                  if (all.door.try_call([&] { all.write(); })) {
                                                    all.require_written();
                                                  }
                                                }}});
  all.require_written();
}

// Then it is the other one's turn, whether that one waits already or comes later.
void one_fails() {
  written all;
  crew others;
  sleeper self(others);
  run_threads({{"calls", [&] { all.call(); }}, {"fails", [&] {
                                                  self.sit_down();
                                                  try {
                                                    static_cast<void>(all.door.try_call([] { throw 1; }));
                                                  } catch (int) {}
                                                }}});
  all.require_written();
}

void two_callers_and_a_waiter() {
  written all;
  crew others;
  sleeper self(others), last(others);
  run_threads({{"calls", [&] { all.door.call([&] { all.write(); }); }},
               {"tries",
                [&] {
                  self.sit_down();
                  static_cast<void>(all.door.try_call([&] { all.write(); }));
                }},
               {"waits", [&] {
                  last.sit_down();
                  wait(last, all.door.wait());
                  all.require_written();
                }}});
  last.end();
}

}  // namespace

TEST_SUITE("once") {
  TEST_CASE("it is done once, and whoever called, waited or asked sees what was done") {
    check({
        {"one that calls, one that waits", caller_and_waiter, 101},
        {"one that calls, one that asks", caller_and_asker, 2},
        {"one that calls, one that tries", two_callers, 106},
        {"one that calls, one that fails", one_fails, 88},
        {"one that calls, one that tries, one that waits", two_callers_and_a_waiter, 0},
    });
  }

  TEST_CASE("mutants: no order can be weaker") {
    const auto unexplained = unexplained_mutants({two_callers, caller_and_waiter, caller_and_asker, one_fails},
                                                 {"once", "[thread.wake]"}, {});
    INFO(doctest::toString(unexplained));
    CHECK(unexplained.empty());
  }
}
