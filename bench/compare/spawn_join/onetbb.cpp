// One child after the other in a task group, each with a value that its parent waits for.
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>

#include "../support.hpp"

namespace tbb = oneapi::tbb;

namespace {

constexpr long children = 1'000'000;

[[gnu::noinline]] long twice(long value) {
  asm volatile("" : "+r"(value));
  return 2 * value;
}

long parent() {
  tbb::task_group child;
  long sum = 0;
  for (long i = 0; i < children; ++i) {
    long result = 0;
    child.run([&result, i] { result = twice(i); });
    child.wait();
    sum += result;
  }
  return sum;
}

}  // namespace

int main(int count, char** arguments) {
  tbb::task_arena arena;
  return report(count, arguments, children, [&](asked what) {
    arena.initialize(what.threads);
    return arena.execute(parent) == children * (children - 1);
  });
}
