// What a blocking call costs, and what it costs the others.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <thread>
#include <vector>

#include <benchmark/benchmark.h>

#include <oneapi/tbb/blocked_range.h>
#include <oneapi/tbb/parallel_reduce.h>
#include <oneapi/tbb/task_arena.h>

#include <martlet/channel.hpp>
#include <martlet/scheduler.hpp>

#include "../support/measuring.hpp"

namespace {

using namespace martlet::bench;
using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;
using martlet::blocking;
using martlet::task;
using flag = martlet::base::atomic<bool>;

double milliseconds_since(clock_type::time_point start) {
  return std::chrono::duration<double, std::milli>(clock_type::now() - start).count();
}

// From a tasklet to a thread that waits for calls, and back.
void call(benchmark::State& state) {
  martlet::scheduler pool(static_cast<int>(state.range(0)));
  int sum = 0;
  for (auto _ : state) {
    pool.block_on([&]() -> task<> {
      for (int i = 0; i < 1000; ++i) {
        sum += co_await blocking([] { return 1; });
      }
    }());
  }
  require(sum == 1000 * static_cast<int>(state.iterations()), "all calls were made");
  state.SetItemsProcessed(sum);
}
BENCHMARK(call)->ArgName("workers")->UseRealTime()->Unit(benchmark::kMillisecond)->Arg(1)->Arg(2);

task<> sleeps_inside() {
  co_await blocking([] { std::this_thread::sleep_for(100ms); });
}

// How much later than it asked for, and how much later than its partner spoke, the latest of the others ran.
task<> watches(const flag& may_go, double& worst) {
  while (may_go) {
    const auto start = clock_type::now();
    co_await martlet::sleep_for(200us);
    worst = std::max(worst, milliseconds_since(start) - 0.2);
  }
}
task<> speaks(martlet::channel<clock_type::time_point>& ch, const flag& may_go) {
  while (may_go) {
    co_await ch.send(clock_type::now());
    co_await martlet::sleep_for(50us);
  }
  ch.close();
}
task<> hears(martlet::channel<clock_type::time_point>& ch, double& worst) {
  while (auto sent = co_await ch.receive()) {
    worst = std::max(worst, milliseconds_since(*sent));
  }
}

// Returns   by how many milliseconds the latest of the others was late while `asleep` tasklets slept for 100 ms, in threads of
//           the pool that had to be started first, or in none.
double worst_delay(int workers, int asleep) {
  martlet::scheduler pool(workers);
  double late = 0;
  double unheard = 0;
  pool.block_on([&]() -> task<> {
    flag may_go{true};
    martlet::channel<clock_type::time_point> ch;
    auto watcher = martlet::spawn(watches(may_go, late));
    auto hearer = martlet::spawn(hears(ch, unheard));
    auto speaker = martlet::spawn(speaks(ch, may_go));
    co_await martlet::sleep_for(2ms);
    co_await martlet::in_scope([asleep](martlet::scope& s) -> task<> {
      for (int i = 0; i < asleep; ++i) {
        s.spawn(sleeps_inside());
      }
      co_await martlet::sleep_for(100ms);
    });
    may_go = false;
    co_await watcher.join();
    co_await speaker.join();
    co_await hearer.join();
  }());
  return std::max(late, unheard);
}

// What sixty-four sleepers add to what the machine does to the others anyway.
void asleep_inside(benchmark::State& state) {
  std::vector<double> added;
  std::vector<double> alone;
  for (auto _ : state) {
    const int workers = static_cast<int>(state.range(0));
    alone.push_back(worst_delay(workers, 0));
    added.push_back(std::max(0.0, worst_delay(workers, 64) - alone.back()));
  }
  state.counters["delay_ms"] = quantile(added, 0.5);
  state.counters["alone_ms"] = quantile(alone, 0.5);
}
BENCHMARK(asleep_inside)
    ->ArgName("workers")
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond)
    ->Iterations(5)
    ->Arg(1)
    ->Arg(2);

double add_roots(int count) {
  return tbb::parallel_reduce(
      tbb::blocked_range<int>(0, count), 0.0,
      [](const tbb::blocked_range<int>& part, double sum) {
        for (int i = part.begin(); i != part.end(); ++i) {
          sum += std::sqrt(static_cast<double>(i));
        }
        return sum;
      },
      [](double a, double b) { return a + b; });
}

enum class loops : int { one_after_the_other, each_in_its_own_arena, all_in_one_arena };

// Sixty-four parallel loops of oneTBB: begun by one thread, or by as many tasklets through the pool.
template <loops How>
void parallel_loops(benchmark::State& state) {
  constexpr int count = 2'000'000;
  martlet::scheduler pool(2);
  tbb::task_arena shared;
  double sum = 0;
  for (auto _ : state) {
    if constexpr (How == loops::one_after_the_other) {
      for (int i = 0; i < 64; ++i) {
        sum += add_roots(count);
      }
    } else {
      sum += pool.block_on([&]() -> task<double> {
        const auto loop = [&shared] {
          return How == loops::all_in_one_arena ? shared.execute([] { return add_roots(count); }) : add_roots(count);
        };
        std::vector<martlet::handle<double>> all;
        for (int i = 0; i < 64; ++i) {
          all.push_back(martlet::spawn([loop]() -> task<double> { co_return co_await blocking(loop); }));
        }
        double total = 0;
        for (auto& h : all) {
          total += co_await h.join();
        }
        co_return total;
      }());
    }
  }
  benchmark::DoNotOptimize(sum);
}
BENCHMARK(parallel_loops<loops::one_after_the_other>)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(parallel_loops<loops::each_in_its_own_arena>)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(parallel_loops<loops::all_in_one_arena>)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
