// No child outlives its scope, and no error gets lost.
#include <stdexcept>
#include <string>

#include <martlet/martlet.hpp>

martlet::task<int> square(int n) {
  if (n > 3) {
    throw std::out_of_range("too large: " + std::to_string(n));
  }
  co_return n* n;
}

martlet::task<int> sum_of_squares(int count) {
  co_return co_await martlet::in_scope([&](martlet::scope& children) -> martlet::task<int> {
    int total = 0;
    for (int n = 1; n <= count; ++n) {
      auto child = children.spawn(square(n));  // runs on any worker
      total += co_await child.join();          // its value, or what it threw
    }
    co_return total;
  });
}

int main() {
  martlet::scheduler pool;
  if (pool.block_on(sum_of_squares(3)) != 14) {
    return 1;
  }
  try {
    pool.block_on(sum_of_squares(4));
  } catch (const std::out_of_range& error) {  // the child's; had several failed, a scope_failed would have them all
    return error.what() == std::string("too large: 4") ? 0 : 2;
  }
  return 3;
}
