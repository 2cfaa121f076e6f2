// How late others are while a worker is inside one tasklet for a second: a neighbour looks after its sockets and timers.
#include <martlet/martlet.hpp>
#include <martlet/net.hpp>

#include <array>
#include <chrono>
#include <span>
#include <thread>
#include <vector>

#include <benchmark/benchmark.h>

#include "../support/measuring.hpp"

namespace {

using namespace martlet::bench;
using namespace std::chrono_literals;
using martlet::await;
using martlet::task;
using martlet::net::stream;
using clock_type = std::chrono::steady_clock;

constexpr auto held_for = 1s;

double us_since(clock_type::time_point then) {
  return std::chrono::duration<double, std::micro>(clock_type::now() - then).count();
}

std::pair<stream, stream> connected() {
  martlet::net::listener door(martlet::net::endpoint::localhost(0));
  stream one = await(martlet::net::connect(door.local_endpoint()));
  stream other = await(door.accept());
  return {std::move(one), std::move(other)};
}

task<> answers(stream& at) {
  std::array<std::byte, 1> byte{};
  while (co_await at.read_some(byte) != 0) {
    co_await at.write_all(byte);
  }
}

// Makes `at` known to this worker's epoll and arms timers on it, then computes without a wait.
task<> holds_its_worker(stream& at, std::vector<double>& timers_late, martlet::base::atomic<bool>& begun) {
  const martlet::pin here;
  std::array<std::byte, 1> byte{};
  try {
    co_await martlet::within(1ms, at.read_some(byte));
  } catch (const martlet::deadline_passed&) {}
  const auto start = clock_type::now();
  co_await martlet::in_scope([&](martlet::scope& s) -> task<> {
    for (int i = 1; i <= 90; ++i) {
      s.spawn([](clock_type::time_point due, std::vector<double>& late) -> task<> {
        co_await martlet::sleep_until(due);
        late.push_back(us_since(due));  // one at a time: they are 10 ms apart
      }(start + i * 10ms, timers_late));
    }
    co_await martlet::yield();  // all sleep now
    begun = true;
    while (clock_type::now() < start + held_for) {}
  });
}

void held(benchmark::State& state) {
  std::vector<double> answers_late;
  std::vector<double> timers_late;
  for (auto _ : state) {
    martlet::scheduler pool(2);
    auto [near, far] = connected();
    martlet::base::atomic<bool> begun{false};
    auto busy = pool.spawn(holds_its_worker(near, timers_late, begun));
    while (!begun) {
      std::this_thread::sleep_for(1ms);
    }
    auto server = pool.spawn(answers(near));
    const auto end = clock_type::now() + held_for - 100ms;
    std::array<std::byte, 1> byte{};
    for (int i = 0; clock_type::now() < end; ++i) {
      std::this_thread::sleep_for(std::chrono::microseconds(1000 + 137 * (i % 7)));
      const auto sent = clock_type::now();
      await(far.write_all(byte));
      await(far.read_some(byte));
      answers_late.push_back(us_since(sent));
    }
    require(busy.state() == martlet::status::running, "the worker was held all the time");
    far.close();
    pool.block_on(std::move(server));
    pool.block_on(std::move(busy));
  }
  state.counters["answers_us_p50"] = quantile(answers_late, 0.5);
  state.counters["answers_us_p99"] = quantile(answers_late, 0.99);
  state.counters["timers_us_p50"] = quantile(timers_late, 0.5);
  state.counters["timers_us_p99"] = quantile(timers_late, 0.99);
}
BENCHMARK(held)->UseRealTime()->Iterations(2)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
