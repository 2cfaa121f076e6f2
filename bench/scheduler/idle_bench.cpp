// What a scheduler costs while nothing happens, and how long it takes to notice that something does.
#include <chrono>
#include <thread>
#include <vector>

#include <benchmark/benchmark.h>

#include <martlet/channel.hpp>
#include <martlet/scheduler.hpp>

#include "../support/measuring.hpp"

namespace {

using namespace martlet::bench;
using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;
using martlet::channel;
using martlet::task;

task<> wait_for_end(channel<int>& end) { co_await end.receive(); }

task<> park(std::vector<martlet::handle<>>& all, channel<int>& end) {
  for (auto& one : all) {
    one = martlet::spawn(wait_for_end(end));
  }
  while (end.balance() != -static_cast<std::ptrdiff_t>(all.size())) {
    co_await martlet::yield();
  }
}

// Process CPU over three seconds that begin right after the last tasklet has parked, while workers still spin and nap.
void idle(benchmark::State& state) {
  std::vector<martlet::handle<>> all(static_cast<std::size_t>(state.range(1)));
  channel<int> end;
  martlet::scheduler pool(static_cast<int>(state.range(0)));
  pool.block_on(park(all, end));
  for (auto _ : state) {
    const auto start = clock_type::now();
    const double before = cpu_seconds();
    std::this_thread::sleep_for(3s);
    const double used = cpu_seconds() - before;
    state.counters["cpu_percent"] = 100 * used / std::chrono::duration<double>(clock_type::now() - start).count();
  }
  require(end.balance() == -state.range(1), "all were parked all the time");
  end.close();
  for (auto& one : all) {
    pool.block_on(std::move(one));
  }
}
BENCHMARK(idle)
    ->ArgNames({"workers", "parked"})
    ->MeasureProcessCPUTime()
    ->UseRealTime()
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond)
    ->Args({2, 100'000});

task<> stamp(channel<clock_type::time_point>& sent, std::vector<double>& late_us) {
  while (auto when = co_await sent.receive()) {
    late_us.push_back(std::chrono::duration<double, std::micro>(clock_type::now() - *when).count());
  }
}

// From a thread's send to a tasklet's next line, when all workers sleep.
void wake_sleeping(benchmark::State& state) {
  std::vector<double> late_us;
  channel<clock_type::time_point> sent;
  martlet::scheduler pool(static_cast<int>(state.range(0)));
  auto stamping = pool.spawn(stamp(sent, late_us));
  const auto before = pool.statistics();
  for (auto _ : state) {
    std::this_thread::sleep_for(2ms);
    martlet::await(sent.send(clock_type::now()));
  }
  const auto after = pool.statistics();
  require(after.sleeps + after.naps >= before.sleeps + before.naps + static_cast<std::uint64_t>(state.iterations()) / 2,
          "the workers slept between the messages");
  sent.close();
  pool.block_on(std::move(stamping));
  state.counters["late_us_p50"] = quantile(late_us, 0.5);
  state.counters["late_us_p99"] = quantile(late_us, 0.99);
}
BENCHMARK(wake_sleeping)->ArgName("workers")->MeasureProcessCPUTime()->UseRealTime()->Iterations(500)->Arg(1)->Arg(2);

}  // namespace

BENCHMARK_MAIN();
