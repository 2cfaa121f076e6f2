#include <doctest/doctest.h>

#include <cstdint>
#include <random>
#include <set>
#include <vector>

#include <martlet/base/asymmetric_fence.hpp>
#include <martlet/base/atomic.hpp>
#include <martlet/base/clock.hpp>
#include <martlet/base/futex.hpp>

#include "checker/explore.hpp"

// What the reduction leaves out is a repetition: random programs have the same outcomes with it and without it.

namespace base = martlet::base;
using namespace martlet::model;

namespace {

enum class verb { load, store, add, compare_exchange, full_fence, light_fence, heavy_fence, wake, sleep };

struct command {
  verb what;
  int location;
  int value;
  base::memory_order order;
};

using random_program = std::vector<std::vector<command>>;  // a list for each thread

enum class family { all_but_sleeps, sleeps };

random_program make_program(std::mt19937& random, family of) {
  const auto below = [&](unsigned n) { return static_cast<int>(random() % n); };
  random_program made(2 + below(2));
  const bool has_fences = of == family::all_but_sleeps && below(2) == 0;
  int value = 1;
  for (auto& commands : made) {
    for (int left = made.size() == 2 ? 3 : 2; left > 0; --left) {
      constexpr base::memory_order strengths[] = {base::relaxed, base::acq_rel, base::seq_cst};
      constexpr verb with_sleeps[] = {verb::load, verb::store, verb::wake, verb::sleep};
      const auto what =
          of == family::sleeps ? with_sleeps[below(4)] : static_cast<verb>(has_fences ? below(7) : below(4));
      commands.push_back({what, below(2), value++, strengths[below(3)]});
    }
  }
  return made;
}

base::memory_order for_load(base::memory_order order) { return order == base::acq_rel ? base::acquire : order; }
base::memory_order for_store(base::memory_order order) { return order == base::acq_rel ? base::release : order; }

// What each command has read, thread by thread, and what the locations hold in the end.
std::vector<int> run(const random_program& program) {
  base::atomic<int> locations[2];
  base::futex_word words[2];
  const base::instant start = base::now();
  std::vector<std::vector<int>> read(program.size());
  const auto run_thread = [&](std::size_t index) {
    for (const command& next : program[index]) {
      base::atomic<int>& at = locations[next.location];
      int expected = 0;
      switch (next.what) {
        case verb::load: read[index].push_back(at.load(for_load(next.order))); break;
        case verb::store: at.store(next.value, for_store(next.order)); break;
        case verb::add: read[index].push_back(at.fetch_add(100, next.order)); break;
        case verb::compare_exchange:
          at.compare_exchange_strong(expected, next.value, next.order, for_load(next.order));
          read[index].push_back(expected);
          break;
        case verb::full_fence: base::full_fence(); break;
        case verb::light_fence: base::light_fence(); break;
        case verb::heavy_fence: base::heavy_fence(); break;
        case verb::wake:
          words[next.location].store(1, base::relaxed);
          base::futex_wake(words[next.location]);
          break;
        case verb::sleep:
          read[index].push_back(base::futex_wait(words[next.location], 0, start + 1 + next.value % 2) ? 1 : 0);
          read[index].push_back(static_cast<int>(base::now() - start));
          break;
      }
    }
  };
  if (program.size() == 2) {
    run_threads({{"one", [&] { run_thread(0); }}, {"two", [&] { run_thread(1); }}});
  } else {
    run_threads({{"one", [&] { run_thread(0); }}, {"two", [&] { run_thread(1); }}, {"three", [&] { run_thread(2); }}});
  }
  std::vector<int> all{locations[0].load(base::relaxed), locations[1].load(base::relaxed)};
  for (const auto& each : read) {
    all.insert(all.end(), each.begin(), each.end());
  }
  return all;
}

report explore_random(const random_program& program, const options& how, std::set<std::vector<int>>& seen) {
  return explore(
      [&] {
        std::vector<int> found = run(program);
        if (!execution::current().is_redundant()) {
          seen.insert(std::move(found));
        }
      },
      how);
}

// Returns   how many of 500 programs were small enough to be explored without it.
int compare_programs(family of) {
  std::mt19937 random(1);
  int compared = 0;
  std::uint64_t with = 0, without = 0;
  for (int i = 0; i < 500; ++i) {
    INFO("program " << i);
    const random_program program = make_program(random, of);
    std::set<std::vector<int>> expected, seen;
    const report all = explore_random(program, {.reduces = false, .most = 30'000}, expected);
    if (!all.is_complete) {
      continue;  // too large
    }
    const report reduced = explore_random(program, {}, seen);
    CHECK(reduced.holds());
    CHECK(seen == expected);
    with += reduced.executions + reduced.redundant;
    without += all.executions;
    ++compared;
  }
  MESSAGE(with << " executions instead of " << without);
  return compared;
}

}  // namespace

TEST_SUITE("reduction") {
  TEST_CASE("random programs have the same outcomes with and without it") {
    CHECK(compare_programs(family::all_but_sleeps) == 498);
  }

  TEST_CASE("so have those whose threads sleep until they are woken, or until some time") {
    CHECK(compare_programs(family::sleeps) == 493);
  }
}
