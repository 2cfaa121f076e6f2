#include <martlet/base/check.hpp>

#include <string>

#include <doctest/doctest.h>

#include "in_child.hpp"

namespace {

using martlet::testing::in_child;

TEST_SUITE("check") {
  TEST_CASE("a fatal misuse writes one sentence with its numbers and aborts") {
    const auto end = in_child([] {
      const std::string what = "workers";
      martlet::base::fatal("a count of ", -3, " ", what, " was asked for; the most is ", 18446744073709551615ULL);
    });
    CHECK(end.was_aborted());
    CHECK(end.errors == "martlet: a count of -3 workers was asked for; the most is 18446744073709551615\n");
  }

  TEST_CASE("a sentence of many parts is cut, not overrun") {
    const auto end = in_child([] { martlet::base::fatal(1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2); });
    CHECK(end.was_aborted());
    CHECK(end.errors == "martlet: 1234567891234567\n");
  }

#ifndef NDEBUG
  TEST_CASE("an assertion says what should have been true, and where") {
    const auto end = in_child([] { MARTLET_ASSERT(1 + 1 == 3, "the sum is right"); });
    CHECK(end.was_aborted());
    CHECK(end.said("the sum is right"));
    CHECK(end.said("check_test.cpp:"));
  }
#endif

  TEST_CASE("an assertion that holds costs nothing and says nothing") {
    int evaluated = 0;
    MARTLET_ASSERT(++evaluated > 0, "it is counted");
#ifdef NDEBUG
    CHECK(evaluated == 0);
#else
    CHECK(evaluated == 1);
#endif
  }
}

}  // namespace
