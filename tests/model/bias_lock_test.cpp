#include <doctest/doctest.h>

#include <martlet/base/bias_lock.hpp>

#include "checker/explore.hpp"
#include "checker/mutants.hpp"
#include "checker/var.hpp"

using martlet::base::bias_lock;
using martlet::base::relaxed;
using namespace martlet::model;

namespace {

// What the lock guards: a number that is raised by one, as plain data.
struct guarded {
  bias_lock lock;
  var<int> number;

  void raise() { number.set(number.get() + 1); }
};

bool borrow(guarded& shared) {
  if (!shared.lock.try_borrow()) {
    return false;
  }
  shared.raise();
  shared.lock.give_back();
  return true;
}

void own(guarded& shared) {
  shared.lock.enter();
  shared.raise();
  shared.lock.leave();
}

void owner_and_borrower() {
  guarded shared;
  int borrowed = 0;
  run_threads({{"owner",
                [&] {
                  own(shared);
                  own(shared);
                }},
               {"borrower", [&] { borrowed = borrow(shared) + borrow(shared); }}});
  require(shared.number.get() == 2 + borrowed, "each section raised the number");
}

void without_membarrier() {
  forbid_membarrier();
  owner_and_borrower();
}

// The owner has another way when it cannot enter.
void owner_that_tries() {
  guarded shared;
  int entered = 0, borrowed = 0;
  run_threads({{"owner",
                [&] {
                  for (int i = 0; i < 2; ++i) {
                    if (shared.lock.try_enter()) {
                      shared.raise();
                      shared.lock.leave();
                      ++entered;
                    }
                  }
                }},
               {"borrower", [&] { borrowed = borrow(shared); }}});
  require(shared.number.get() == entered + borrowed, "each section raised the number");
}

void owner_and_two_borrowers() {
  guarded shared;
  bool first = false, second = false;
  run_threads({{"owner", [&] { own(shared); }}, {"first", [&] { first = borrow(shared); }}, {"second", [&] {
                                                                                               second = borrow(shared);
                                                                                             }}});
  require(shared.number.get() == 1 + first + second, "each section raised the number");
}

}  // namespace

TEST_SUITE("bias lock") {
  TEST_CASE("an owner and a borrower are never both inside") {
    const report found = explore(owner_and_borrower);
    print("an owner that enters twice, a borrower that tries twice", found);
    CHECK(found.holds());
    CHECK(found.executions == 2460);
  }

  TEST_CASE("where there is no membarrier, full fences do the same") {
    const report found = explore(without_membarrier);
    print("the same without membarrier", found);
    CHECK(found.holds());
    CHECK(found.executions == 4135);
  }

  TEST_CASE("an owner that tries and a borrower are never both inside") {
    const report found = explore(owner_that_tries);
    print("an owner that tries twice, a borrower that tries once", found);
    CHECK(found.holds());
    CHECK(found.executions == 47);
  }

  TEST_CASE("two borrowers are never both inside") {
    const report found = explore(owner_and_two_borrowers);
    print("an owner and two borrowers", found);
    CHECK(found.holds());
    CHECK(found.executions == 2133);
  }

  TEST_CASE("mutants: no order can be weaker") {
    const auto unexplained = unexplained_mutants(
        {owner_and_borrower, without_membarrier, owner_that_tries, owner_and_two_borrowers}, {"bias_lock"},
        {{"claimed_.fetch_or(borrowed, acquire)", relaxed, "the heavy fence acquires too; ThreadSanitizer needs it"}});
    INFO(doctest::toString(unexplained));
    CHECK(unexplained.empty());
  }
}
