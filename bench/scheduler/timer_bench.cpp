// Timers by the hundred thousand and by the million, within one second: the processor time of each, and how late they come.
#include <chrono>
#include <random>
#include <vector>

#include <benchmark/benchmark.h>

#include <martlet/scheduler.hpp>

#include "../support/measuring.hpp"

namespace {

using namespace martlet::bench;
using clock_type = std::chrono::steady_clock;

martlet::task<> sleep_until(clock_type::time_point due, double& late_us) {
  co_await martlet::sleep_until(due);
  late_us = std::chrono::duration<double, std::micro>(clock_type::now() - due).count();
}

martlet::task<> sleep_all(std::vector<double>& late_us) {
  std::mt19937 random(1);
  std::uniform_int_distribution<int> microseconds(500'000, 1'499'999);  // all are armed before the first is due
  const auto start = clock_type::now();
  std::vector<martlet::handle<>> all(late_us.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i] = martlet::spawn(sleep_until(start + std::chrono::microseconds(microseconds(random)), late_us[i]));
  }
  for (auto& one : all) {
    co_await one.join();
  }
}

// Includes the tasklet around each timer.
void timers(benchmark::State& state) {
  std::vector<double> late_us(static_cast<std::size_t>(state.range(1)), -1);
  martlet::scheduler pool(static_cast<int>(state.range(0)));
  for (auto _ : state) {
    const double before = cpu_seconds();
    pool.block_on(sleep_all(late_us));
    state.counters["cpu_ns_each"] = 1e9 * (cpu_seconds() - before) / static_cast<double>(late_us.size());
    require(quantile(late_us, 0) >= 0, "no timer came too early");
    state.counters["late_us_p50"] = quantile(late_us, 0.5);
    state.counters["late_us_p99"] = quantile(late_us, 0.99);
    state.counters["late_us_max"] = quantile(late_us, 1);
  }
}
BENCHMARK(timers)
    ->ArgNames({"workers", "timers"})
    ->MeasureProcessCPUTime()
    ->UseRealTime()
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond)
    ->Args({1, 100'000})
    ->Args({2, 100'000})
    ->Args({1, 1'000'000})
    ->Args({2, 1'000'000});

}  // namespace

BENCHMARK_MAIN();
