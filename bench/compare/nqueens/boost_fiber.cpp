// All ways to place 12 queens: a fiber, on a stack of 16 KiB, for each queen that can be placed in the next row.
#include <array>
#include <cstddef>
#include <optional>

#include <boost/fiber/all.hpp>

#include "../boost_fiber.hpp"
#include "../support.hpp"
#include "board.hpp"

namespace fibers = boost::fibers;

namespace {

long solve(board at) {
  if (at.is_full()) {
    return 1;
  }
  fibers::fixedsize_stack stack(16 * 1024);
  std::array<long, board::size> found{};
  std::array<fibers::fiber, board::size> children;
  std::size_t placed = 0;
  for (int column = 0; column < board::size; ++column) {
    if (at.allows(column)) {
      children[placed] = fibers::fiber(fibers::launch::dispatch, std::allocator_arg, stack,
                                       [next = at.with(column), &mine = found[placed]] { mine = solve(next); });
      ++placed;
    }
  }
  long sum = 0;
  for (std::size_t i = 0; i < placed; ++i) {
    children[i].join();
    sum += found[i];
  }
  return sum;
}

}  // namespace

int main(int count, char** arguments) {
  std::optional<pool> workers;
  return report_ms(count, arguments, [&](asked what) {
    if (!workers) {
      workers.emplace(what.threads);
    }
    return solve({}) == board::solutions;
  });
}
