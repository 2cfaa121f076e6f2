// The extremes of sharing with the same options: a million children that do nothing, ten thousand that take 50 us each, eight that
// take 5 ms.
#include <ctime>
#include <vector>

#include <benchmark/benchmark.h>

#include <martlet/scheduler.hpp>

#include "../support/measuring.hpp"

namespace {

using martlet::handle;
using martlet::task;
using namespace martlet::bench;

constexpr std::size_t million = 1'000'000;

[[gnu::noinline]] task<> nothing() { co_return; }

task<> in_a_scope() {
  co_await martlet::in_scope([](martlet::scope& s) -> task<> {
    for (std::size_t i = 0; i < million; ++i) {
      s.spawn(nothing());
    }
    co_return;
  });
}

task<> with_handles(std::vector<handle<>>& all) {
  for (handle<>& one : all) {
    one = martlet::spawn(nothing());
  }
  for (handle<>& one : all) {
    co_await one.join();
  }
}

// The scope counts its children, so its end is the proof that all ran.
void empty_in_a_scope(benchmark::State& state) {
  martlet::scheduler pool(static_cast<int>(state.range(0)));
  pool.block_on(in_a_scope());  // the frames' first touch is the system's time
  while (state.KeepRunningBatch(million)) {
    pool.block_on(in_a_scope());
  }
}
BENCHMARK(empty_in_a_scope)->ArgName("workers")->MeasureProcessCPUTime()->UseRealTime()->Arg(1)->Arg(2);

void empty_with_handles(benchmark::State& state) {
  martlet::scheduler pool(static_cast<int>(state.range(0)));
  std::vector<handle<>> all(million);
  pool.block_on(with_handles(all));
  const auto before = pool.statistics().ended;
  while (state.KeepRunningBatch(million)) {
    pool.block_on(with_handles(all));
  }
  const auto ended = pool.statistics().ended - before;  // the parents too
  require(ended > static_cast<std::uint64_t>(state.iterations()), "every child ran to its end");
}
BENCHMARK(empty_with_handles)->ArgName("workers")->MeasureProcessCPUTime()->UseRealTime()->Arg(1)->Arg(2);

// So much of a processor, whatever else the machine does meanwhile.
task<> compute(double seconds) {
  const double end = cpu_seconds(CLOCK_THREAD_CPUTIME_ID) + seconds;
  while (cpu_seconds(CLOCK_THREAD_CPUTIME_ID) < end) {}
  co_return;
}

// All are spawned by one of the workers.
task<> compute_all(std::size_t count, double seconds) {
  std::vector<handle<>> all(count);
  for (handle<>& one : all) {
    one = martlet::spawn(compute(seconds));
  }
  for (handle<>& one : all) {
    co_await one.join();
  }
}

// After a burst of empty ones, which may have taught the thieves that nothing is worth taking here.
void eight_of_5ms(benchmark::State& state) {
  martlet::scheduler pool(static_cast<int>(state.range(0)));
  for (auto _ : state) {
    if (state.range(1) != 0) {
      state.PauseTiming();
      pool.block_on(in_a_scope());
      state.ResumeTiming();
    }
    pool.block_on(compute_all(8, 0.005));
  }
}
BENCHMARK(eight_of_5ms)
    ->ArgNames({"workers", "after_burst"})
    ->MeasureProcessCPUTime()
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond)
    ->Args({1, 0})
    ->Args({2, 0})
    ->Args({2, 1});

void ten_thousand_of_50us(benchmark::State& state) {
  martlet::scheduler pool(static_cast<int>(state.range(0)));
  for (auto _ : state) {
    pool.block_on(compute_all(10'000, 50e-6));
  }
}
BENCHMARK(ten_thousand_of_50us)
    ->ArgName("workers")
    ->MeasureProcessCPUTime()
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond)
    ->Arg(1)
    ->Arg(2);

}  // namespace

BENCHMARK_MAIN();
