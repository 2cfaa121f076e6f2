// Locking and unlocking: by one tasklet alone, and by eight that want the same mutex all the time.
#include <mutex>
#include <vector>

#include <benchmark/benchmark.h>

#include <martlet/channel.hpp>
#include <martlet/scheduler.hpp>

#include "../support/measuring.hpp"

namespace {

using martlet::mutex;
using martlet::task;

constexpr long rounds = 200'000;

task<> count_up(mutex& door, long& counter, long times) {
  for (long i = 0; i < times; ++i) {
    const auto held = co_await door.acquire();
    ++counter;
  }
}

void count_up_blocking(mutex& door, long& counter, long times) {
  for (long i = 0; i < times; ++i) {
    const std::lock_guard held(door);
    ++counter;
  }
}

enum class kind { coroutines, fibers };

// The figure is one locking and unlocking.
template <kind Kind>
void lock_pair(benchmark::State& state) {
  martlet::scheduler pool(static_cast<int>(state.range(0)));
  const long count = state.range(1);
  while (state.KeepRunningBatch(rounds * count)) {
    mutex door;
    long counter = 0;
    std::vector<martlet::handle<>> all;
    for (long i = 0; i < count; ++i) {
      all.push_back(Kind == kind::coroutines ? pool.spawn(count_up(door, counter, rounds))
                                             : pool.spawn([&] { count_up_blocking(door, counter, rounds); }));
    }
    for (auto& one : all) {
      pool.block_on(std::move(one));
    }
    martlet::bench::require(counter == rounds * count, "nobody was in it together with another");
  }
}

void cases(benchmark::internal::Benchmark* of) {
  of->ArgNames({"workers", "tasklets"})->MeasureProcessCPUTime()->UseRealTime();
  of->Args({1, 1})->Args({1, 8})->Args({2, 8})->Args({2, 2});
}
BENCHMARK(lock_pair<kind::coroutines>)->Apply(cases);
BENCHMARK(lock_pair<kind::fibers>)->Apply(cases);

// All stand in the queue before the first one may begin, so that each unlock finds somebody who waits.
template <kind Kind>
void hand_over(benchmark::State& state) {
  martlet::scheduler pool(static_cast<int>(state.range(0)));
  const long count = state.range(1);
  while (state.KeepRunningBatch(rounds * count)) {
    mutex door;
    long counter = 0;
    std::vector<martlet::handle<>> all;
    {
      const std::lock_guard held(door);
      for (long i = 0; i < count; ++i) {
        all.push_back(Kind == kind::coroutines ? pool.spawn(count_up(door, counter, rounds))
                                               : pool.spawn([&] { count_up_blocking(door, counter, rounds); }));
      }
      for (const auto& one : all) {
        while (one.state() != martlet::status::blocked) {}
      }
    }
    for (auto& one : all) {
      pool.block_on(std::move(one));
    }
    martlet::bench::require(counter == rounds * count, "nobody was in it together with another");
  }
}
BENCHMARK(hand_over<kind::coroutines>)->Apply(cases);
BENCHMARK(hand_over<kind::fibers>)->Apply(cases);

// A plain thread alone.
void lock_pair_on_thread(benchmark::State& state) {
  mutex door;
  long counter = 0;
  for (auto _ : state) {
    const std::lock_guard held(door);
    benchmark::DoNotOptimize(++counter);
  }
}
BENCHMARK(lock_pair_on_thread);

}  // namespace

BENCHMARK_MAIN();
