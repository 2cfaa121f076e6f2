// Fibonacci numbers the slow way: one half is spawned, the other one awaited. Almost nothing but forks and joins.
#include <benchmark/benchmark.h>

#include <martlet/scheduler.hpp>

#include "../support/measuring.hpp"

namespace {

constexpr int n = 24;

constexpr long fib_plain(int of) { return of < 2 ? of : fib_plain(of - 1) + fib_plain(of - 2); }
constexpr long calls(int of) { return of < 2 ? 1 : 1 + calls(of - 1) + calls(of - 2); }

martlet::task<long> fib(int of) {
  if (of < 2) {
    co_return of;
  }
  auto left = martlet::spawn(fib(of - 1));
  const long right = co_await fib(of - 2);
  co_return right + co_await left.join();
}

void fork_join(benchmark::State& state) {
  martlet::scheduler pool(static_cast<int>(state.range(0)));
  while (state.KeepRunningBatch(calls(n))) {
    martlet::bench::require(pool.block_on(fib(n)) == fib_plain(n), "fib is right");
  }
}
BENCHMARK(fork_join)->ArgName("workers")->MeasureProcessCPUTime()->UseRealTime()->Arg(1)->Arg(2);

[[gnu::noinline]] long fib_called(int of) {
  benchmark::DoNotOptimize(of);
  return of < 2 ? of : fib_called(of - 1) + fib_called(of - 2);
}

void serial(benchmark::State& state) {
  while (state.KeepRunningBatch(calls(n))) {
    martlet::bench::require(fib_called(n) == fib_plain(n), "fib is right");
  }
}
BENCHMARK(serial);

}  // namespace

BENCHMARK_MAIN();
