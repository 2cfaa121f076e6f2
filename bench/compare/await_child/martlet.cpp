// A tasklet awaits one child after the other: nothing is queued.
#include <martlet/scheduler.hpp>

#include "../support.hpp"

namespace {

constexpr long children = 5'000'000;

[[gnu::noinline]] martlet::task<long> twice(long value) { co_return 2 * value; }

martlet::task<long> parent() {
  long sum = 0;
  for (long i = 0; i < children; ++i) {
    sum += co_await twice(i);
  }
  co_return sum;
}

}  // namespace

int main(int count, char** arguments) {
  return report(count, arguments, children, [](asked what) {
    martlet::scheduler pool(what.threads);
    return pool.block_on(parent()) == children * (children - 1);
  });
}
