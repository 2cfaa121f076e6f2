#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <initializer_list>

#include "checker/explore.hpp"
#include "scale.hpp"

namespace martlet::model {

/// A program, how many executions it has, and from which level on all of them are explored. Below it, and of one that has
/// too many to be counted (0), some are chosen at random.
struct listed {
  const char* name;
  void (*program)();
  std::uint64_t executions;
  testing::level all_from = testing::level::quick;
};

/// Returns   how many executions are chosen at random.
inline std::uint64_t random_executions() { return testing::test_level() == testing::level::quick ? 5'000 : 20'000; }

/// Checks that programs hold in every execution, and that there are as many as the list says.
inline void check(std::initializer_list<listed> programs) {
  for (const listed& each : programs) {
    INFO(each.name);
    const bool is_exhaustive = each.executions != 0 && testing::test_level() >= each.all_from;
    const report found =
        is_exhaustive ? explore(each.program) : explore(each.program, {.seed = 1, .most = random_executions()});
    print(each.name, found);
    CHECK(found.holds());
    if (is_exhaustive) {
      CHECK(found.executions == each.executions);
    }
  }
}

}  // namespace martlet::model
