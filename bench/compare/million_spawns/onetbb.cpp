// A million children that do nothing, in one task group, which counts them.
#include <functional>

#include <oneapi/tbb/combinable.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>

#include "../support.hpp"

namespace tbb = oneapi::tbb;

namespace {

constexpr long children = 1'000'000;

long parent() {
  tbb::combinable<long> ended([] { return 0L; });  // a count for each thread
  tbb::task_group all;
  for (long i = 0; i < children; ++i) {
    all.run([&ended] { ++ended.local(); });
  }
  all.wait();
  return ended.combine(std::plus<>());
}

}  // namespace

int main(int count, char** arguments) {
  tbb::task_arena arena;
  return report(count, arguments, children, [&](asked what) {
    arena.initialize(what.threads);
    return arena.execute(parent) == children;
  });
}
