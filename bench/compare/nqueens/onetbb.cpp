// All ways to place 12 queens: a task in its parent's group for each queen that can be placed in the next row.
#include <array>
#include <cstddef>

#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>

#include "../support.hpp"
#include "board.hpp"

namespace tbb = oneapi::tbb;

namespace {

long solve(board at) {
  if (at.is_full()) {
    return 1;
  }
  std::array<long, board::size> found{};
  tbb::task_group children;
  std::size_t placed = 0;
  for (int column = 0; column < board::size; ++column) {
    if (at.allows(column)) {
      children.run([next = at.with(column), &mine = found[placed]] { mine = solve(next); });
      ++placed;
    }
  }
  children.wait();
  long sum = 0;
  for (std::size_t i = 0; i < placed; ++i) {
    sum += found[i];
  }
  return sum;
}

}  // namespace

int main(int count, char** arguments) {
  tbb::task_arena arena;
  return report_ms(count, arguments, [&](asked what) {
    arena.initialize(what.threads);
    return arena.execute([] { return solve({}); }) == board::solutions;
  });
}
