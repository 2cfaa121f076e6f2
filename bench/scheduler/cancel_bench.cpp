// Cancels tasklets that are parked: from the request until the last one has unwound and ended.
#include <cstddef>
#include <vector>

#include <benchmark/benchmark.h>

#include <martlet/channel.hpp>
#include <martlet/scheduler.hpp>

#include "../support/measuring.hpp"

namespace {

using martlet::channel;
using martlet::task;

task<int> wait_for_ever(channel<int>& nothing) {
  try {
    co_await nothing.receive();
  } catch (const martlet::cancelled&) {
    co_return 1;
  }
  co_return 0;
}

task<> park(std::vector<martlet::handle<int>>& all, channel<int>& in) {
  for (auto& one : all) {
    one = martlet::spawn(wait_for_ever(in));
  }
  while (in.balance() != -static_cast<std::ptrdiff_t>(all.size())) {
    co_await martlet::yield();
  }
}

task<std::size_t> cancel(std::vector<martlet::handle<int>>& all) {
  for (auto& one : all) {
    one.cancel();
  }
  std::size_t ended = 0;
  for (auto& one : all) {
    ended += static_cast<std::size_t>(co_await one.join());
  }
  co_return ended;
}

void cancel_parked(benchmark::State& state) {
  martlet::scheduler pool(1);
  channel<int> in;
  constexpr std::size_t count = 50'000;
  while (state.KeepRunningBatch(count)) {
    state.PauseTiming();
    std::vector<martlet::handle<int>> all(count);
    pool.block_on(park(all, in));
    state.ResumeTiming();
    martlet::bench::require(pool.block_on(cancel(all)) == count, "every tasklet saw the cancel");
  }
}
BENCHMARK(cancel_parked)->MeasureProcessCPUTime()->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
