#include <doctest/doctest.h>

#include <martlet/base/current.hpp>
#include <martlet/channel/mutex.hpp>

#include "checker/explore.hpp"
#include "checker/var.hpp"
#include "listed.hpp"
#include "sleeper.hpp"

using martlet::mutex;
using namespace martlet::model;

namespace {

// A mutex, and what it guards: plain data, so that two inside at a time race.
struct guarded {
  mutex door;
  var<int> number{0};
};

// Returns   false when the wait was cancelled.
bool raise(sleeper& self, guarded& shared) {
  self.sit_down();
  try {
    const auto held = wait(self, shared.door.acquire());
    shared.number.set(shared.number.get() + 1);
    return true;
  } catch (const martlet::cancelled&) {
    return false;
  }
}

void two_members() {
  crew all;
  sleeper one(all), two(all);
  guarded shared;
  run_threads({{"one", [&] { require(raise(one, shared), "nobody cancels"); }},
               {"two", [&] { require(raise(two, shared), "nobody cancels"); }}});
  one.end();
  two.end();
  require(shared.number.get() == 2, "each section raised the number");
}

void two_members_twice() {
  crew all;
  sleeper one(all), two(all);
  guarded shared;
  const auto raise_twice = [&](sleeper& self) { return raise(self, shared) && raise(self, shared); };
  run_threads({{"one", [&] { require(raise_twice(one), "nobody cancels"); }},
               {"two", [&] { require(raise_twice(two), "nobody cancels"); }}});
  one.end();
  two.end();
  require(shared.number.get() == 4, "each section raised the number");
}

void three_members() {
  crew all;
  sleeper one(all), two(all), three(all);
  guarded shared;
  run_threads({{"one", [&] { raise(one, shared); }}, {"two", [&] { raise(two, shared); }}, {"three", [&] {
                                                                                              raise(three, shared);
                                                                                            }}});
  require(shared.number.get() == 3, "each section raised the number");
}

// One that is cancelled is handed nothing.
void one_is_cancelled() {
  crew all;
  sleeper one(all), two(all);
  guarded shared;
  bool is_in = false;
  run_threads({{"one", [&] { require(raise(one, shared), "nobody cancels it"); }},
               {"two", [&] { is_in = raise(two, shared); }},
               {"cancels", [&] { martlet::detail::request_cancel(&two); }}});
  one.end();
  two.end();
  require(shared.number.get() == 1 + is_in, "each section raised the number");
  require(shared.door.try_lock(), "nobody owns it in the end");
  shared.door.unlock();
}

}  // namespace

TEST_SUITE("mutex") {
  TEST_CASE("one at a time is inside, and an unlock hands over to who waits") {
    check({
        {"two members", two_members, 118},
        {"two members that lock twice", two_members_twice, 173'662, martlet::testing::level::stress},
        {"three members", three_members, 0},
        {"two members, one that cancels the second", one_is_cancelled, 0},
    });
  }
}
