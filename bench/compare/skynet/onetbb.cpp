// A tree of task groups, ten children each, down to a million leaves with a number each, whose sum comes back up.
#include <array>
#include <cstddef>

#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>

#include "../support.hpp"

namespace tbb = oneapi::tbb;

namespace {

constexpr long leaves = 1'000'000;
constexpr std::size_t branches = 10;

long sum_of(long first, long size) {
  if (size == 1) {
    return first;
  }
  const long part = size / static_cast<long>(branches);
  std::array<long, branches> sums{};
  tbb::task_group children;
  for (std::size_t i = 0; i < branches; ++i) {
    children.run([&sum = sums[i], first, part, i] { sum = sum_of(first + static_cast<long>(i) * part, part); });
  }
  children.wait();
  long sum = 0;
  for (const long each : sums) {
    sum += each;
  }
  return sum;
}

}  // namespace

int main(int count, char** arguments) {
  tbb::task_arena arena;
  return report_ms(count, arguments, [&](asked what) {
    arena.initialize(what.threads);
    return arena.execute([] { return sum_of(0, leaves); }) == leaves * (leaves - 1) / 2;
  });
}
