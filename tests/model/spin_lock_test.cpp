#include <doctest/doctest.h>

#include <martlet/base/spin_lock.hpp>

#include "checker/explore.hpp"
#include "checker/mutants.hpp"
#include "checker/var.hpp"

using martlet::base::spin_lock;
using namespace martlet::model;

namespace {

struct guarded {
  spin_lock lock;
  var<int> number;

  void raise() {
    lock.lock();
    number.set(number.get() + 1);
    lock.unlock();
  }
  bool try_raise() {
    if (!lock.try_lock()) {
      return false;
    }
    number.set(number.get() + 1);
    lock.unlock();
    return true;
  }
};

void two_that_lock_twice() {
  guarded shared;
  const auto raise_twice = [&] {
    shared.raise();
    shared.raise();
  };
  run_threads({{"one", raise_twice}, {"two", raise_twice}});
  require(shared.number.get() == 4, "each section raised the number");
}

void three_that_lock() {
  guarded shared;
  const auto raise = [&] { shared.raise(); };
  run_threads({{"one", raise}, {"two", raise}, {"three", raise}});
  require(shared.number.get() == 3, "each section raised the number");
}

void one_that_tries() {
  guarded shared;
  int tried = 0;
  run_threads({{"locks", [&] { shared.raise(); }},
               {"tries", [&] { tried = shared.try_raise() + shared.try_raise(); }}});
  require(shared.number.get() == 1 + tried, "each section raised the number");
}

}  // namespace

TEST_SUITE("spin lock") {
  TEST_CASE("one at a time is inside, and sees what those before have done") {
    const report two = explore(two_that_lock_twice);
    print("two that lock twice", two);
    CHECK(two.holds());
    CHECK(two.executions == 142);
    const report three = explore(three_that_lock);
    print("three that lock", three);
    CHECK(three.holds());
    CHECK(three.executions == 762);
  }

  TEST_CASE("who tries is inside alone, or not at all") {
    const report found = explore(one_that_tries);
    print("one that locks, one that tries twice", found);
    CHECK(found.holds());
    CHECK(found.executions == 29);
  }

  TEST_CASE("mutants: no order can be weaker") {
    const auto unexplained = unexplained_mutants({two_that_lock_twice, one_that_tries}, {"spin_lock"}, {});
    INFO(doctest::toString(unexplained));
    CHECK(unexplained.empty());
  }
}
