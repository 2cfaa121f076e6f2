// A program of another project: one tasklet, on a scheduler of its own.
#include <martlet/martlet.hpp>

martlet::task<int> answer() { co_return 42; }

int main() {
  martlet::scheduler pool;
  auto handle = pool.spawn(answer());
  return pool.block_on(std::move(handle)) == 42 ? 0 : 1;
}
