#include "patience.hpp"

#include <doctest/doctest.h>

namespace {

using martlet::detail::patience;

void wear_out(patience& p) {
  while (p.begin() != 0) {
    p.gave_up();
  }
}

TEST_SUITE("patience") {
  TEST_CASE("searches in vain grow shorter until none is made") {
    patience p(1600);
    for (const std::uint64_t expected : {1600U, 800U, 400U, 200U, 100U, 50U}) {
      CHECK(p.begin() == expected);
      p.gave_up();
    }
    CHECK(p.begin() == 0);
  }

  TEST_CASE("then one in sixteen is made, for the longest") {
    patience p(1600);
    wear_out(p);
    int made = 0;
    for (int i = 0; i < 160; ++i) {
      if (const auto cycles = p.begin(); cycles != 0) {
        CHECK(cycles == 1600);
        p.gave_up();
        ++made;
      }
    }
    CHECK(made == 10);
  }

  TEST_CASE("a search may take four times as long as those took that found something") {
    patience p(1600);
    wear_out(p);
    for (int i = 0; i < 100; ++i) {
      p.found(100);
    }
    CHECK(p.begin() >= 400);
    CHECK(p.begin() <= 450);
    p.found(1500);
    CHECK(p.begin() > 450);
    for (int i = 0; i < 100; ++i) {
      p.found(1500);
    }
    CHECK(p.begin() == 1600);
  }

  TEST_CASE("who was woken soon after it had given up searches for the longest again") {
    patience p(1600);
    wear_out(p);
    p.missed(3200);
    CHECK(p.begin() == 0);
    p.missed(3199);
    CHECK(p.begin() == 1600);
  }

  TEST_CASE("no patience at all stays none") {
    patience p(0);
    p.missed(0);
    for (int i = 0; i < 100; ++i) {
      CHECK(p.begin() == 0);
    }
    p.found(0);
    CHECK(p.begin() == 0);
  }
}

}  // namespace
