#include <doctest/doctest.h>

#include <martlet/base/bias_lock.hpp>

#include "checker/explore.hpp"
#include "checker/mutants.hpp"
#include "checker/var.hpp"
#include "listed.hpp"

using martlet::base::bias_lock;
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

void seen_by_thread_sanitizer() {
  look_as_thread_sanitizer();
  owner_and_two_borrowers();
}

}  // namespace

TEST_SUITE("bias lock") {
  TEST_CASE("an owner and a borrower are never both inside") {
    check({
        {"an owner that enters twice, a borrower that tries twice", owner_and_borrower, 2460},
        {"the same without membarrier, with full fences", without_membarrier, 4135},
        {"an owner that tries twice, a borrower that tries once", owner_that_tries, 47},
    });
  }

  TEST_CASE("two borrowers are never both inside") {
    check({
        {"an owner and two borrowers", owner_and_two_borrowers, 2133},
        {"the same as ThreadSanitizer sees it", seen_by_thread_sanitizer, 2133},
    });
  }

  TEST_CASE("mutants: no order can be weaker") {
    const auto unexplained =
        unexplained_mutants({owner_and_borrower, without_membarrier, owner_that_tries, seen_by_thread_sanitizer},
                            {"bias_lock"}, {});
    INFO(doctest::toString(unexplained));
    CHECK(unexplained.empty());
  }
}
