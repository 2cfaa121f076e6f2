// Messages through a channel with a buffer, from so many senders to so many receivers.
#include <vector>

#include <benchmark/benchmark.h>

#include <martlet/channel.hpp>
#include <martlet/scheduler.hpp>

#include "../support/measuring.hpp"

namespace {

using martlet::channel;
using martlet::task;

constexpr long messages = 400'000;

task<> send_share(channel<long>& to, long first, long step) {
  for (long i = first; i < messages; i += step) {
    co_await to.send(i);
  }
}

task<long> add_up(channel<long>& from) {
  long sum = 0;
  while (auto value = co_await from.receive()) {
    sum += *value;
  }
  co_return sum;
}

task<long> transfer(std::size_t capacity, long sides) {
  channel<long> through(capacity);
  std::vector<martlet::handle<long>> receivers;
  std::vector<martlet::handle<>> senders;
  for (long i = 0; i < sides; ++i) {
    receivers.push_back(martlet::spawn(add_up(through)));
    senders.push_back(martlet::spawn(send_share(through, i, sides)));
  }
  for (auto& sender : senders) {
    co_await sender.join();
  }
  through.close();
  long sum = 0;
  for (auto& receiver : receivers) {
    sum += co_await receiver.join();
  }
  co_return sum;
}

void buffered(benchmark::State& state) {
  martlet::scheduler pool(static_cast<int>(state.range(0)));
  while (state.KeepRunningBatch(messages)) {
    const long sum = pool.block_on(transfer(static_cast<std::size_t>(state.range(1)), state.range(2)));
    martlet::bench::require(sum == messages * (messages - 1) / 2, "every message arrived once");
  }
}
BENCHMARK(buffered)
    ->ArgNames({"workers", "capacity", "sides"})
    ->MeasureProcessCPUTime()
    ->UseRealTime()
    ->Args({1, 1, 1})
    ->Args({1, 64, 1})
    ->Args({1, 4096, 1})
    ->Args({2, 4096, 1})
    ->Args({1, 4096, 4})
    ->Args({2, 4096, 4});

}  // namespace

BENCHMARK_MAIN();
