// A coroutine for each queen that can be placed in the next row; its parent joins them one after the other.
#include <array>
#include <optional>

#include <martlet/scheduler.hpp>

#include "../support.hpp"
#include "board.hpp"

namespace {

martlet::task<long> solve(board at) {
  if (at.is_full()) {
    co_return 1;
  }
  std::array<martlet::handle<long>, board::size> children;
  std::size_t many = 0;
  for (int column = 0; column < board::size; ++column) {
    if (at.allows(column)) {
      children[many++] = martlet::spawn(solve(at.with(column)));
    }
  }
  long sum = 0;
  for (std::size_t i = 0; i < many; ++i) {
    sum += co_await children[i].join();
  }
  co_return sum;
}

}  // namespace

int main(int count, char** arguments) {
  std::optional<martlet::scheduler> pool;
  return report_ms(count, arguments, [&](asked what) {
    if (!pool) {
      pool.emplace(what.threads);
    }
    return pool->block_on(solve({})) == board::solutions;
  });
}
