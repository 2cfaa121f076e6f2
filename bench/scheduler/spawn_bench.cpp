// One child after the other, each with a value that its parent waits for.
#include <benchmark/benchmark.h>

#include <martlet/scheduler.hpp>

#include "../support/measuring.hpp"

namespace {

using martlet::task;

constexpr long children = 500'000;

[[gnu::noinline]] task<long> twice(long value) { co_return 2 * value; }

task<long> await_each() {
  long sum = 0;
  for (long i = 0; i < children; ++i) {
    sum += co_await twice(i);
  }
  co_return sum;
}

task<long> spawn_each() {
  long sum = 0;
  for (long i = 0; i < children; ++i) {
    auto child = martlet::spawn(twice(i));
    sum += co_await child.join();
  }
  co_return sum;
}

task<long> spawn_each_stackful() {
  long sum = 0;
  for (long i = 0; i < children; ++i) {
    auto child = martlet::spawn([i] { return 2 * i; });
    sum += co_await child.join();
  }
  co_return sum;
}

template <auto Each>
void child(benchmark::State& state) {
  martlet::scheduler pool(static_cast<int>(state.range(0)));
  const auto before = pool.statistics();
  while (state.KeepRunningBatch(children)) {
    martlet::bench::require(pool.block_on(Each()) == children * (children - 1), "every child's value was added");
  }
  const auto after = pool.statistics();
  if (Each != await_each) {
    martlet::bench::require(after.spawned - before.spawned > static_cast<std::uint64_t>(state.iterations()),
                            "every child was a tasklet");
  }
}
BENCHMARK(child<await_each>)
    ->Name("await_child")
    ->ArgName("workers")
    ->MeasureProcessCPUTime()
    ->UseRealTime()
    ->Arg(1)
    ->Arg(2);
BENCHMARK(child<spawn_each>)
    ->Name("spawn_and_join")
    ->ArgName("workers")
    ->MeasureProcessCPUTime()
    ->UseRealTime()
    ->Arg(1)
    ->Arg(2);
BENCHMARK(child<spawn_each_stackful>)
    ->Name("spawn_and_join_stackful")
    ->ArgName("workers")
    ->MeasureProcessCPUTime()
    ->UseRealTime()
    ->Arg(1)
    ->Arg(2);

}  // namespace

BENCHMARK_MAIN();
