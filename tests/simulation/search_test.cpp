#include <algorithm>
#include <cstdint>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <martlet/scheduler/search.hpp>

namespace {

using martlet::exploration_options;
using martlet::schedule;
using martlet::simulation_options;
using martlet::strategy;
using martlet::detail::attempt;
using martlet::detail::finding;
using martlet::detail::search;

// A program that fails in schedules that have two certain choices, and that takes what it is told to follow.
attempt fails_with_both(const simulation_options& how) {
  attempt one{.failure = {}, .error = {}, .taken = how.recorded, .steps = 100};
  if (how.order != strategy::follow) {
    one.taken = {.seed = how.seed, .choices = {}};
    for (std::uint64_t step = 0; step < 20; ++step) {
      one.taken.choices.push_back({.step = step, .tasklet = 1 + (how.seed + step) % 3});
    }
  }
  const auto has = [&](schedule::choice wanted) {
    return std::count(one.taken.choices.begin(), one.taken.choices.end(), wanted) != 0;
  };
  if (has({.step = 4, .tasklet = 1}) && has({.step = 17, .tasklet = 2})) {
    one.failure = "both";
  } else if (has({.step = 4, .tasklet = 1})) {
    one.failure = how.order == strategy::follow ? "another" : "";
  }
  return one;
}

TEST_SUITE("search") {
  TEST_CASE("a failure is found, and shrunk to the choices that it takes") {
    const finding found = search(fails_with_both, {});
    REQUIRE(found.failed);
    CHECK(found.schedules == found.failed->seed);
    CHECK(found.schedules <= 3);
    CHECK(found.failed->found.choices.size() == 20);
    CHECK(found.failed->shrunk.seed == found.failed->seed);
    CHECK(found.failed->shrunk.choices ==
          std::vector<schedule::choice>{{.step = 4, .tasklet = 1}, {.step = 17, .tasklet = 2}});
  }

  TEST_CASE("no more runs are spent on shrinking than may be") {
    std::uint64_t runs = 0;
    const finding found = search(
        [&](const simulation_options& how) {
          runs += how.order == strategy::follow ? 1 : 0;
          return fails_with_both(how);
        },
        {.shrinking = 5});
    REQUIRE(found.failed);
    CHECK(runs <= 5);
    CHECK(found.failed->shrunk.choices.size() > 2);
  }

  TEST_CASE("each schedule has a seed of its own, and both strategies come") {
    std::set<std::uint64_t> seeds;
    std::set<strategy> orders;
    const finding found = search(
        [&](const simulation_options& how) {
          seeds.insert(how.seed);
          orders.insert(how.order);
          return attempt{.failure = {}, .error = {}, .taken = {}, .steps = 7};
        },
        {.schedules = 30, .first_seed = 100});
    CHECK(!found.failed);
    CHECK(found.schedules == 30);
    CHECK(seeds.size() == 30);
    CHECK(*seeds.begin() == 100);
    CHECK(orders == std::set<strategy>{strategy::uniform, strategy::pct});
  }

  TEST_CASE("what the program throws ends the search") {
    std::uint64_t runs = 0;
    CHECK_THROWS_WITH_AS(static_cast<void>(search(
                             [&](const simulation_options&) -> attempt {
                               if (++runs == 3) {
                                 throw std::runtime_error("enough");
                               }
                               return {};
                             },
                             {})),
                         "enough", std::runtime_error);
    CHECK(runs == 3);
  }
}

}  // namespace
