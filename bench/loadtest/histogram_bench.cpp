#include "recorder.hpp"

#include <martlet/loadtest/histogram.hpp>
#include <martlet/loadtest/histogram_codec.hpp>
#include <martlet/loadtest/random.hpp>

#include <benchmark/benchmark.h>

#include <vector>

namespace {

using namespace martlet::loadtest;

// Latencies as a server gives them: exponential around a millisecond.
std::vector<std::uint64_t> latencies() {
  user_random random(1, 1);
  std::vector<std::uint64_t> values(1 << 16);
  for (auto& value : values) value = static_cast<std::uint64_t>(-std::log(random.unit()) * 1e6);
  return values;
}

template <class Histogram>
void record(benchmark::State& state) {
  const auto values = latencies();
  Histogram histogram;
  std::size_t i = 0;
  for (auto _ : state) histogram.record(values[i++ & 0xffff]);
}
BENCHMARK_TEMPLATE(record, histogram);
BENCHMARK_TEMPLATE(record, histogram_recorder);

histogram filled() {
  histogram result;
  for (auto value : latencies()) result.record(value);
  return result;
}

void merge(benchmark::State& state) {
  const auto part = filled();
  histogram sum;
  for (auto _ : state) sum.merge(part);
}
BENCHMARK(merge);

void percentile(benchmark::State& state) {
  const auto values = filled();
  for (auto _ : state) benchmark::DoNotOptimize(values.percentile(99.9));
}
BENCHMARK(percentile);

void encode(benchmark::State& state) {
  const auto values = filled();
  std::size_t bytes = 0;
  for (auto _ : state) bytes = encode_compressed(values).size();
  state.counters["bytes"] = static_cast<double>(bytes);
}
BENCHMARK(encode);

}  // namespace

BENCHMARK_MAIN();
