// What parked tasklets weigh, and what it takes to wake them all.
#include <cstddef>
#include <vector>

#include <benchmark/benchmark.h>

#include <martlet/channel.hpp>
#include <martlet/scheduler.hpp>

#include "../support/measuring.hpp"

namespace {

using martlet::channel;
using martlet::handle;
using martlet::task;
using namespace martlet::bench;

long received = 0;  // one worker: nobody else adds

task<> wait_for_one(channel<long>& from) { received += *co_await from.receive(); }
void wait_for_one_blocking(channel<long>& from) { received += *martlet::await(from.receive()); }

template <bool Stackful>
task<> park_all(std::vector<handle<>>& into, channel<long>& in) {
  for (handle<>& one : into) {
    if constexpr (Stackful) {
      one = martlet::spawn([&in] { wait_for_one_blocking(in); });
    } else {
      one = martlet::spawn(wait_for_one(in));
    }
  }
  while (in.balance() != -static_cast<std::ptrdiff_t>(into.size())) {
    co_await martlet::yield();
  }
}

task<> wake_all(std::vector<handle<>>& all, channel<long>& in) {
  for (std::size_t i = 0; i < all.size(); ++i) {
    co_await in.send(static_cast<long>(i));
  }
  for (handle<>& one : all) {
    co_await one.join();
  }
}

// The handles are there, and touched, before the first look at the memory; all else that grows is counted.
template <bool Stackful>
void parked(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  for (auto _ : state) {
    martlet::scheduler pool(1);
    std::vector<handle<>> all(count);
    channel<long> in;
    received = 0;
    const double before = resident_bytes();
    const double tables = page_table_bytes();
    pool.block_on(park_all<Stackful>(all, in));
    state.counters["bytes"] = (resident_bytes() - before) / static_cast<double>(count);
    state.counters["page_table_bytes"] = (page_table_bytes() - tables) / static_cast<double>(count);
    require(in.balance() == -static_cast<std::ptrdiff_t>(count), "all are parked");
    pool.block_on(wake_all(all, in));
    require(received == static_cast<long>(count * (count - 1) / 2), "all were woken, each with its value");
  }
}
// Once a process: what is freed stays for the next ones and would not be counted again.
BENCHMARK(parked<false>)->Name("parked_stackless")->Arg(1'000'000)->Iterations(1)->Unit(benchmark::kMillisecond);
BENCHMARK(parked<true>)->Name("parked_stackful")->Arg(100'000)->Iterations(1)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
