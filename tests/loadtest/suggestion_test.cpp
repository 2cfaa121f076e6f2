#include "suggestion.hpp"

#include <doctest/doctest.h>

#include <array>

using namespace martlet::loadtest;

TEST_SUITE("suggestion") {
  constexpr std::array<std::string_view, 5> keys{"think_time", "users", "iterations", "duration", "ramp_up"};

  TEST_CASE("a slip is recognised: one letter wrong, missing, doubled or swapped, case and hyphens") {
    CHECK(nearest("user", keys) == "users");
    CHECK(nearest("usres", keys) == "users");
    CHECK(nearest("iteration", keys) == "iterations");
    CHECK(nearest("itterations", keys) == "iterations");
    CHECK(nearest("Think-Time", keys) == "think_time");
    CHECK(nearest("thinktime", keys) == "think_time");
    CHECK(nearest("rampup", keys) == "ramp_up");
  }

  TEST_CASE("what resembles nothing is not guessed at") {
    CHECK(nearest("", keys).empty());
    CHECK(nearest("x", keys).empty());
    CHECK(nearest("headers", keys).empty());
    CHECK(nearest(std::string(100'000, 'u'), keys).empty());
  }

  TEST_CASE("words are listed as people do") {
    using list = std::array<std::string_view, 3>;
    const list words{"a", "b", "c"};
    CHECK(listed(std::span(words).first(0)) == "");
    CHECK(listed(std::span(words).first(1)) == "a");
    CHECK(listed(std::span(words).first(2)) == "a or b");
    CHECK(listed(words, "and") == "a, b and c");
  }
}
