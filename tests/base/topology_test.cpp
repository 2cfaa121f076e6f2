#include <martlet/base/topology.hpp>

#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <sched.h>

namespace {

namespace base = martlet::base;

// Whether martlet was built with hwloc.
bool knows_machines() { return !base::processors_of("pu:1").empty(); }

std::vector<unsigned> numbers_of(const std::string& description) {
  std::vector<unsigned> numbers;
  for (const auto& one : base::processors_of(description)) {
    numbers.push_back(one.number);
  }
  return numbers;
}

TEST_SUITE("topology") {
  TEST_CASE("cores come before second hardware threads, and nodes stay together" * doctest::skip(!knows_machines())) {
    CHECK(numbers_of("node:2 core:2 pu:2") == std::vector<unsigned>{0, 2, 4, 6, 1, 3, 5, 7});
    CHECK(numbers_of("core:4 pu:1") == std::vector<unsigned>{0, 1, 2, 3});
    CHECK(numbers_of("package:1 core:2 pu:4") == std::vector<unsigned>{0, 4, 1, 5, 2, 6, 3, 7});
    // Linux often numbers the second hardware threads behind all the first, and the nodes alternately.
    CHECK(numbers_of("node:1 core:4 pu:2(indexes=0,4,1,5,2,6,3,7)") == std::vector<unsigned>{0, 1, 2, 3, 4, 5, 6, 7});
    CHECK(numbers_of("node:2 core:2 pu:1(indexes=0,2,1,3)") == std::vector<unsigned>{0, 2, 1, 3});
  }

  TEST_CASE("each processor has its core, its package and its node" * doctest::skip(!knows_machines())) {
    const auto all = base::processors_of("package:2 node:2 core:1 pu:2");
    REQUIRE(all.size() == 8);
    CHECK(all[0] == base::processor{.number = 0, .core = 0, .package = 0, .node = 0});
    CHECK(all[1] == base::processor{.number = 2, .core = 1, .package = 0, .node = 1});
    CHECK(all[2] == base::processor{.number = 4, .core = 2, .package = 1, .node = 2});
    CHECK(all[7] == base::processor{.number = 7, .core = 3, .package = 1, .node = 3});
  }

  TEST_CASE("what is no description gives no processors") {
    CHECK(base::processors_of("nonsense").empty());
    CHECK(base::processors_of("core:0").empty());
  }

  TEST_CASE("of this machine exactly those of the affinity mask are listed, each once") {
    const auto here = [] {
      cpu_set_t mask;
      CPU_ZERO(&mask);
      REQUIRE(sched_getaffinity(0, sizeof mask, &mask) == 0);
      cpu_set_t listed;
      CPU_ZERO(&listed);
      const auto all = base::processors_in_order();
      for (const auto& one : all) {
        CPU_SET(one.number, &listed);
      }
      CHECK(CPU_EQUAL(&mask, &listed));
      CHECK(all.size() == static_cast<std::size_t>(CPU_COUNT(&mask)));
      return all;
    };
    const auto all = here();
    std::thread([&] {
      REQUIRE(base::pin_thread(pthread_self(), all.back().number) == 0);
      CHECK(here().size() == 1);
      CHECK(sched_getcpu() == static_cast<int>(all.back().number));
    }).join();
  }

  TEST_CASE("a thread cannot be pinned to a processor that is not there") {
    CHECK(base::pin_thread(pthread_self(), 1'000'000) != 0);
    CHECK(base::pin_thread(pthread_self(), CPU_SETSIZE - 1) != 0);
  }
}

}  // namespace
