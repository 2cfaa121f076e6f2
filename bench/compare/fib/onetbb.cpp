// Fibonacci numbers the slow way: a call forks one half in a task group and does the other one itself.
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>

#include "../support.hpp"

namespace tbb = oneapi::tbb;

namespace {

constexpr int number = 36;
constexpr long expected = 14'930'352;
constexpr long calls = 48'315'633;

long fib(int n) {
  if (n < 2) {
    return n;
  }
  long first = 0;
  tbb::task_group forked;
  forked.run([&first, n] { first = fib(n - 1); });
  const long second = fib(n - 2);
  forked.wait();
  return first + second;
}

}  // namespace

int main(int count, char** arguments) {
  tbb::task_arena arena;
  return report(count, arguments, calls, [&](asked what) {
    arena.initialize(what.threads);
    return arena.execute([] { return fib(number); }) == expected;
  });
}
