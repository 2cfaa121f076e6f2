// One fiber after the other, each with a value that its parent waits for.
#include <martlet/scheduler.hpp>

#include "../support.hpp"

namespace {

constexpr long children = 1'000'000;

[[gnu::noinline]] long twice(long value) { return 2 * value; }

long parent() {
  long sum = 0;
  for (long i = 0; i < children; ++i) {
    auto child = martlet::spawn([i] { return twice(i); });
    sum += martlet::await(child.join());
  }
  return sum;
}

}  // namespace

int main(int count, char** arguments) {
  return report(count, arguments, children, [](asked what) {
    martlet::scheduler pool(what.threads);
    return pool.block_on(pool.spawn(parent)) == children * (children - 1);
  });
}
