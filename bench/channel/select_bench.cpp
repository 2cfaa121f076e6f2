// A receiver that takes whichever of two channels has something, from a sender that alternates between them.
#include <variant>

#include <benchmark/benchmark.h>

#include <martlet/channel.hpp>
#include <martlet/channel/select.hpp>
#include <martlet/scheduler.hpp>

#include "../support/measuring.hpp"

namespace {

using martlet::channel;
using martlet::task;

constexpr long messages = 200'000;

task<> send_all(channel<long>& even, channel<long>& odd) {
  for (long i = 0; i < messages; ++i) {
    co_await (i % 2 == 0 ? even : odd).send(i);
  }
}

task<long> select_all(channel<long>& even, channel<long>& odd) {
  long wrong = 0;
  for (long i = 0; i < messages; ++i) {
    const auto got = co_await martlet::select(even.receive(), odd.receive());
    wrong += (got.index() == 0 ? std::get<0>(got) : std::get<1>(got)) != i;
    wrong += got.index() != static_cast<std::size_t>(i % 2);
  }
  co_return wrong;
}

task<long> receive_all(channel<long>& from) {
  long wrong = 0;
  for (long i = 0; i < messages; ++i) {
    wrong += co_await from.receive() != i;
  }
  co_return wrong;
}

// What one message costs when the receiver waits for two channels, beside one that waits for one.
template <bool Selects>
void receive_of_two(benchmark::State& state) {
  martlet::scheduler pool(static_cast<int>(state.range(0)));
  while (state.KeepRunningBatch(messages)) {
    channel<long> even;
    channel<long> odd;
    auto receiver = pool.spawn(Selects ? select_all(even, odd) : receive_all(even));
    auto sender = pool.spawn(send_all(even, Selects ? odd : even));
    martlet::bench::require(pool.block_on(std::move(receiver)) == 0, "the messages came in order from their channels");
    pool.block_on(std::move(sender));
  }
}
BENCHMARK(receive_of_two<true>)
    ->Name("select_of_two")
    ->ArgName("workers")
    ->MeasureProcessCPUTime()
    ->UseRealTime()
    ->Arg(1)
    ->Arg(2);
BENCHMARK(receive_of_two<false>)
    ->Name("receive_of_one")
    ->ArgName("workers")
    ->MeasureProcessCPUTime()
    ->UseRealTime()
    ->Arg(1)
    ->Arg(2);

}  // namespace

BENCHMARK_MAIN();
