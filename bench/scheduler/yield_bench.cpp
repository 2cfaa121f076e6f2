// Two tasklets that yield to each other: one resumption each time.
#include <benchmark/benchmark.h>

#include <martlet/scheduler.hpp>

#include "../support/measuring.hpp"

namespace {

constexpr long rounds = 1'000'000;  // of each

// Counts the turns, and those after which the same one came again: a yield that returns at once would be seen. One
// worker only.
struct turns {
  long taken = 0;
  long repeated = 0;
  int last = -1;
  void take(int who) {
    repeated += last == who;
    last = who;
    ++taken;
  }
};

martlet::task<> alternate(turns& both, int who) {
  for (long i = 0; i < rounds; ++i) {
    both.take(who);
    co_await martlet::yield();
  }
}

// One inexact result in one of the two: with a switch that carries the sticky flags along each one is dear from then on.
void divide(bool really) {
  volatile double third = 3;
  third = really ? 1 / third : third;
}

void alternate_blocking(turns& both, int who, bool divides) {
  divide(divides && who == 0);
  for (long i = 0; i < rounds; ++i) {
    both.take(who);
    martlet::await(martlet::yield());
  }
}

enum class kind { stackless, stackful, stackful_after_division };

martlet::task<> both_of(turns& shared, kind what) {
  auto start = [&](int who) {
    return what == kind::stackless ? martlet::spawn(alternate(shared, who)) : martlet::spawn([&shared, who, what] {
      alternate_blocking(shared, who, what == kind::stackful_after_division);
    });
  };
  auto first = start(0);
  auto second = start(1);
  co_await first.join();
  co_await second.join();
}

template <kind What>
void yield(benchmark::State& state) {
  martlet::scheduler pool(1);
  while (state.KeepRunningBatch(2 * rounds)) {
    turns shared;
    pool.block_on(both_of(shared, What));
    martlet::bench::require(shared.taken == 2 * rounds && shared.repeated <= 1, "the two took turns");
  }
}
BENCHMARK(yield<kind::stackless>)->MeasureProcessCPUTime()->UseRealTime();
BENCHMARK(yield<kind::stackful>)->MeasureProcessCPUTime()->UseRealTime();
BENCHMARK(yield<kind::stackful_after_division>)->MeasureProcessCPUTime()->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
