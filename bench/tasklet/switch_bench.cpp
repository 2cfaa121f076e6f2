// What a fiber's switch costs, there and back, and what its stack costs.
#include <cfenv>
#include <cstddef>
#include <vector>

#include <benchmark/benchmark.h>

#include <martlet/tasklet/context.hpp>
#include <martlet/tasklet/stack_pool.hpp>

namespace {

using namespace martlet::detail;

constinit stack_pool pool;

// A flow that suspends for ever, after one inexact division if it was told so.
template <class Context>
struct spinner {
  Context flow;
  stack memory = pool.take();
  bool divides = false;
  bool hands_over = false;

  void start(carrier& here) {
    flow.prepare(memory, &spinner::body, this);
    flow.resume(here);
  }
  ~spinner() { pool.give_back(memory); }

  static void body(void* self) {
    auto& me = *static_cast<spinner*>(self);
    if (me.divides) {
      volatile double third = 3;
      third = 1 / third;
    }
    for (;;) {
      if (me.hands_over) {
        me.flow.suspend([](void* it) { benchmark::DoNotOptimize(it); }, self);
      } else {
        me.flow.suspend();
      }
    }
  }
};

// Resumes as many flows as the range says in turn: one shows the switch, thousands show how their stacks lie in the
// caches.
template <class Context, bool Divides, bool HandsOver>
void there_and_back(benchmark::State& state) {
  carrier here;
  std::vector<spinner<Context>> flows(static_cast<std::size_t>(state.range(0)));
  for (auto& one : flows) {
    one.divides = Divides;
    one.hands_over = HandsOver;
    one.start(here);
  }
  std::feclearexcept(FE_ALL_EXCEPT);  // the flows' flags and the thread's differ, where flows have some
  std::size_t next = 0;
  for (auto _ : state) {
    flows[next].flow.resume(here);
    next = next + 1 == flows.size() ? 0 : next + 1;
  }
}

#if MARTLET_HAS_NATIVE_SWITCH
BENCHMARK(there_and_back<native_context, false, false>)->Arg(1)->Arg(100)->Arg(1000)->Arg(10000);
BENCHMARK(there_and_back<native_context, true, false>)->Arg(1);
BENCHMARK(there_and_back<native_context, false, true>)->Arg(1)->Arg(100);
#endif
BENCHMARK(there_and_back<boost_context, false, false>)->Arg(1)->Arg(100)->Arg(1000)->Arg(10000);
BENCHMARK(there_and_back<boost_context, true, false>)->Arg(1);
BENCHMARK(there_and_back<boost_context, false, true>)->Arg(1)->Arg(100);

// A stack that is free and warm.
void take_and_give_back(benchmark::State& state) {
  for (auto _ : state) {
    const stack one = pool.take();
    benchmark::DoNotOptimize(one.top);
    pool.give_back(one);
  }
}
BENCHMARK(take_and_give_back);

// A fresh stack: its address space and its guard, without the page that its first use costs.
void take_fresh(benchmark::State& state) {
  static constinit stack_pool fresh;
  constexpr std::size_t batch = 10'000;
  std::vector<stack> taken(batch);
  while (state.KeepRunningBatch(batch)) {
    for (stack& one : taken) {
      one = fresh.take();
    }
    state.PauseTiming();
    for (const stack& one : taken) {
      fresh.give_back(one);
    }
    fresh.unmap();
    state.ResumeTiming();
  }
}
BENCHMARK(take_fresh)->Iterations(200'000);

}  // namespace

BENCHMARK_MAIN();
