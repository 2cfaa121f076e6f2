#include <doctest/doctest.h>

#include "checker/explore.hpp"
#include "checker/mutants.hpp"
#include "checker/var.hpp"
#include "explored_pool.hpp"
#include "listed.hpp"

// Threads of others come into a pool, one at a time where it has one place, and go.

namespace base = martlet::base;
namespace detail = martlet::detail;
using namespace martlet::model;

namespace {

// What a worker keeps of its thread is plain data, so two that have the place at once race, and so does one that does not
// know that the other has left.
struct house {
  void visit() {
    if (detail::worker* const place = pool.find_place(); place != nullptr) {
      use.set(use.get() + 1);
      pool.enter(*place);
      use.set(use.get() + 1);
      pool.leave_behind(*place);
    }
  }

  void end() {
    require(use.get() >= 2, "somebody was inside");
    require(pool.find_place() != nullptr, "the place is free again");
  }

  detail::explored_pool pool{1, 1};
  var<int> use{0};
};

void two_that_come() {
  house all;
  run_threads({{"one", [&] { all.visit(); }}, {"other", [&] { all.visit(); }}});
  all.end();
}

void one_that_comes_twice() {
  house all;
  run_threads({{"one",
                [&] {
                  all.visit();
                  all.visit();
                }},
               {"other", [&] { all.visit(); }}});
  all.end();
}

}  // namespace

TEST_SUITE("lent place") {
  TEST_CASE("a place is one thread's at a time") {
    check({
        {"two that come", two_that_come, 4},
        {"one that comes, one that comes twice", one_that_comes_twice, 8},
    });
  }

  TEST_CASE("mutants: no order can be weaker") {
    const auto unexplained = unexplained_mutants({two_that_come}, {"[lent.place]"}, {});
    INFO(doctest::toString(unexplained));
    CHECK(unexplained.empty());
  }
}
