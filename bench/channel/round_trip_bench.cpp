// A value there and another back, through two channels without a buffer: each of the four operations meets its partner.
#include <benchmark/benchmark.h>

#include <martlet/channel.hpp>
#include <martlet/scheduler.hpp>

#include "../support/measuring.hpp"

namespace {

using martlet::channel;
using martlet::task;

constexpr long rounds = 200'000;

task<> answer(channel<long>& requests, channel<long>& replies) {
  while (auto value = co_await requests.receive()) {
    co_await replies.send(*value + 1);
  }
}

void answer_blocking(channel<long>& requests, channel<long>& replies) {
  while (auto value = martlet::await(requests.receive())) {
    martlet::await(replies.send(*value + 1));
  }
}

task<long> ask(channel<long>& requests, channel<long>& replies) {
  long wrong = 0;
  for (long i = 0; i < rounds; ++i) {
    co_await requests.send(i);
    wrong += co_await replies.receive() != i + 1;
  }
  requests.close();
  co_return wrong;
}

long ask_blocking(channel<long>& requests, channel<long>& replies) {
  long wrong = 0;
  for (long i = 0; i < rounds; ++i) {
    martlet::await(requests.send(i));
    wrong += martlet::await(replies.receive()) != i + 1;
  }
  requests.close();
  return wrong;
}

enum class pair { coroutines, coroutine_and_fiber, fibers };

// As many pairs at once as the second argument says, each with channels of its own.
template <pair Kinds>
void round_trip(benchmark::State& state) {
  martlet::scheduler pool(static_cast<int>(state.range(0)));
  const auto pairs = static_cast<std::size_t>(state.range(1));
  while (state.KeepRunningBatch(rounds * state.range(1))) {
    std::vector<channel<long>> channels(2 * pairs);
    std::vector<martlet::handle<>> answering(pairs);
    std::vector<martlet::handle<long>> asking(pairs);
    for (std::size_t i = 0; i < pairs; ++i) {
      channel<long>& there = channels[2 * i];
      channel<long>& back = channels[2 * i + 1];
      answering[i] = Kinds == pair::coroutines ? pool.spawn(answer(there, back))
                                               : pool.spawn([&] { answer_blocking(there, back); });
      asking[i] =
          Kinds == pair::fibers ? pool.spawn([&] { return ask_blocking(there, back); }) : pool.spawn(ask(there, back));
    }
    for (std::size_t i = 0; i < pairs; ++i) {
      martlet::bench::require(pool.block_on(std::move(asking[i])) == 0, "every reply is its request plus one");
      pool.block_on(std::move(answering[i]));
    }
  }
}

void cases(benchmark::internal::Benchmark* of) {
  of->ArgNames({"workers", "pairs"})->MeasureProcessCPUTime()->UseRealTime();
}
BENCHMARK(round_trip<pair::coroutines>)->Apply(cases)->Args({1, 1})->Args({2, 1})->Args({1, 64})->Args({2, 64});
BENCHMARK(round_trip<pair::coroutine_and_fiber>)->Apply(cases)->Args({1, 1})->Args({2, 1});
BENCHMARK(round_trip<pair::fibers>)->Apply(cases)->Args({1, 1})->Args({2, 1});

}  // namespace

BENCHMARK_MAIN();
