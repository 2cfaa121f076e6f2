// Memory for frames: from a worker's own free list, and over the process's store.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <random>
#include <vector>

#include <benchmark/benchmark.h>

#include <martlet/base/current.hpp>
#include <martlet/tasklet/frame.hpp>
#include <martlet/tasklet/host.hpp>

namespace {

using namespace martlet::detail;

// A thread that counts as a worker's: it has a cache.
struct with_cache {
  host here{nullptr};
  with_cache() { martlet::base::set_current(&here); }
  ~with_cache() { martlet::base::set_current(nullptr); }
};

void take_and_give_back(benchmark::State& state) {
  const with_cache cached;
  const auto size = static_cast<std::size_t>(state.range(0));
  for (auto _ : state) {
    void* frame = allocate_frame(size);
    benchmark::DoNotOptimize(frame);
    free_frame(frame, size);
  }
}
BENCHMARK(take_and_give_back)->ArgName("bytes")->Arg(128)->Arg(512);

// As a thread does that runs no tasklets.
void take_and_give_back_foreign(benchmark::State& state) {
  for (auto _ : state) {
    void* frame = allocate_frame(128);
    benchmark::DoNotOptimize(frame);
    free_frame(frame, 128);
  }
}
BENCHMARK(take_and_give_back_foreign);

// Many at once, so that chains go back and forth between the cache and the store.
void take_many(benchmark::State& state) {
  const with_cache cached;
  std::vector<void*> frames(static_cast<std::size_t>(state.range(0)));
  while (state.KeepRunningBatch(state.range(0))) {
    for (void*& frame : frames) {
      frame = allocate_frame(128);
    }
    for (void* frame : frames) {
      free_frame(frame, 128);
    }
  }
}
BENCHMARK(take_many)->ArgName("frames")->Arg(100)->Arg(10'000)->Arg(1'000'000);

// The same, and freed in another order than taken: the next round must not pay for that.
void take_many_shuffled(benchmark::State& state) {
  const with_cache cached;
  std::vector<void*> frames(1'000'000);
  std::vector<std::size_t> order(frames.size());
  std::iota(order.begin(), order.end(), 0U);
  std::shuffle(order.begin(), order.end(), std::mt19937(1));
  while (state.KeepRunningBatch(static_cast<std::int64_t>(frames.size()))) {
    for (void*& frame : frames) {
      frame = allocate_frame(128);
    }
    state.PauseTiming();
    for (const std::size_t i : order) {
      free_frame(frames[i], 128);
    }
    state.ResumeTiming();
  }
}
BENCHMARK(take_many_shuffled);

void from_the_heap(benchmark::State& state) {
  for (auto _ : state) {
    void* frame = ::operator new(static_cast<std::size_t>(state.range(0)));
    benchmark::DoNotOptimize(frame);
    ::operator delete(frame);
  }
}
BENCHMARK(from_the_heap)->ArgName("bytes")->Arg(128)->Arg(512);

}  // namespace

BENCHMARK_MAIN();
