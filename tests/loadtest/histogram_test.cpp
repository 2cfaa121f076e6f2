#include <martlet/loadtest/histogram.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

namespace {

using martlet::loadtest::histogram;

constexpr std::uint64_t one_hour = 3'600'000'000'000;

// Values as latencies come: any order of magnitude is as likely as any other, with the edges of buckets mixed in.
std::vector<std::uint64_t> random_values(std::uint64_t seed, std::size_t count, std::uint64_t largest = 2 * one_hour) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> magnitude(0, std::log2(static_cast<double>(largest)));
  std::vector<std::uint64_t> values(count);
  for (auto& value : values) {
    value = static_cast<std::uint64_t>(std::exp2(magnitude(random)));
    if (random() % 8 == 0) value = histogram::lowest_of(histogram::index_of(value));
    if (random() % 8 == 0) value = histogram::highest_of(histogram::index_of(value));
    value = std::min(value, largest);
  }
  return values;
}

histogram counted(const std::vector<std::uint64_t>& values) {
  histogram result;
  for (auto value : values) result.record(value);
  return result;
}

std::uint64_t value_at(const std::vector<std::uint64_t>& sorted, double percent) {
  const auto rank = std::ceil(std::nextafter(percent, 0.0) / 100 * static_cast<double>(sorted.size()));
  return sorted[static_cast<std::size_t>(std::max(rank, 1.0)) - 1];
}

}  // namespace

TEST_SUITE("histogram") {
  TEST_CASE("every value lies in its bucket, and the buckets follow one another without a gap") {
    for (std::size_t i = 0; i != histogram::bucket_count; ++i) {
      const auto lowest = histogram::lowest_of(i);
      const auto highest = histogram::highest_of(i);
      REQUIRE(histogram::index_of(lowest) == i);
      REQUIRE(histogram::index_of(highest) == i);
      if (i + 1 != histogram::bucket_count) {
        REQUIRE(highest + 1 == histogram::lowest_of(i + 1));
      } else {
        REQUIRE(highest == std::numeric_limits<std::uint64_t>::max());
      }
    }
  }

  TEST_CASE("no bucket is wider than 1/1024 of its smallest value") {
    for (std::size_t i = 0; i != histogram::bucket_count; ++i)
      REQUIRE(histogram::highest_of(i) - histogram::lowest_of(i) <= histogram::lowest_of(i) / 1024);
  }

  TEST_CASE("the layout is HdrHistogram's") {
    // Indexes printed by HdrHistogram 0.10 for Python (countsArrayIndex) with 1 .. 2^62 and 3 digits.
    CHECK(histogram::index_of(0) == 0);
    CHECK(histogram::index_of(1) == 1);
    CHECK(histogram::index_of(2047) == 2047);
    CHECK(histogram::index_of(2048) == 2048);
    CHECK(histogram::index_of(2049) == 2048);
    CHECK(histogram::index_of(4096) == 3072);
    CHECK(histogram::index_of(1'000'000) == 11'169);
    CHECK(histogram::index_of(one_hour) == 33'420);
  }

  TEST_CASE("an empty histogram answers 0 to everything") {
    const histogram empty;
    CHECK(empty.is_empty());
    CHECK(empty.count() == 0);
    CHECK(empty.min() == 0);
    CHECK(empty.max() == 0);
    CHECK(empty.mean() == 0);
    CHECK(empty.standard_deviation() == 0);
    CHECK(empty.percentile(50) == 0);
    CHECK(empty.count_up_to(1'000) == 0);
    CHECK(empty == histogram{});
  }

  TEST_CASE("a single value is every percentile") {
    for (const std::uint64_t value :
         {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{123'456'789}, ~std::uint64_t{0}}) {
      histogram one;
      one.record(value);
      for (const double percent : {0.0, 50.0, 99.99, 100.0}) CHECK(one.percentile(percent) == value);
      CHECK(one.min() == value);
      CHECK(one.max() == value);
    }
  }

  TEST_CASE("percentiles agree with sorted samples to 3 digits, and never fall below them") {
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
      CAPTURE(seed);
      auto values = random_values(seed, 1 + seed * seed * 7);
      const auto measured = counted(values);
      std::sort(values.begin(), values.end());
      for (const double percent : {0.0, 1.0, 10.0, 25.0, 50.0, 75.0, 90.0, 99.0, 99.9, 99.99, 99.999, 100.0}) {
        CAPTURE(percent);
        const auto exact = value_at(values, percent);
        const auto found = measured.percentile(percent);
        CHECK(found >= exact);
        CHECK(found - exact <= exact / 1024);
      }
      CHECK(measured.count() == values.size());
      CHECK(measured.min() == values.front());
      CHECK(measured.max() == values.back());
    }
  }

  TEST_CASE("mean and standard deviation agree with the samples within a bucket's half width") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
      CAPTURE(seed);
      const auto values = random_values(seed, 5'000);
      const auto measured = counted(values);
      double sum = 0;
      for (auto value : values) sum += static_cast<double>(value);
      const double mean = sum / static_cast<double>(values.size());
      double squares = 0;
      for (auto value : values) squares += (static_cast<double>(value) - mean) * (static_cast<double>(value) - mean);
      CHECK(std::abs(measured.mean() - mean) <= mean / 2048);
      CHECK(measured.standard_deviation() ==
            doctest::Approx(std::sqrt(squares / static_cast<double>(values.size()))).epsilon(0.002));
    }
  }

  TEST_CASE("99.9 per cent of a thousand values is the 999th, whatever rounding does") {
    histogram thousand;
    for (std::uint64_t value = 1; value <= 1'000; ++value) thousand.record(value);
    for (std::uint64_t tenths = 1; tenths <= 1'000; ++tenths)
      CHECK(thousand.percentile(static_cast<double>(tenths) / 10) == tenths);
  }

  TEST_CASE("merging any parts in any order gives the histogram of the whole") {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
      CAPTURE(seed);
      const auto values = random_values(seed, 4'000);
      std::mt19937_64 random(seed);
      std::array<histogram, 5> parts;  // one of which may stay empty
      for (auto value : values) parts[random() % (1 + seed % 5)].record(value);
      histogram forwards;
      for (const auto& part : parts) forwards.merge(part);
      histogram backwards;
      for (auto part = parts.rbegin(); part != parts.rend(); ++part) backwards.merge(*part);
      CHECK(forwards == counted(values));
      CHECK(backwards == forwards);
    }
  }

  TEST_CASE("since tells what came after a copy was made") {
    const auto before = random_values(1, 3'000);
    const auto after = random_values(2, 2'000);
    auto all = counted(before);
    const histogram earlier = all;
    for (auto value : after) all.record(value);
    auto difference = all.since(earlier);
    CHECK(difference.count() == after.size());
    const auto [smallest, largest] = std::minmax_element(after.begin(), after.end());
    CHECK(difference.min() <= *smallest);
    CHECK(difference.max() >= *largest);
    difference.refine_extremes(*smallest, *largest);
    CHECK(difference == counted(after));
  }

  TEST_CASE("a corrected value stands for all that it delayed") {
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
      CAPTURE(seed);
      std::mt19937_64 random(seed);
      const auto interval = std::uint64_t{1} + random() % 100'000;
      const auto value = random() % (interval * 3'000);
      CAPTURE(interval);
      CAPTURE(value);
      histogram measured;
      measured.record_corrected(value, interval);
      histogram expected;  // HdrHistogram's own loop, one value at a time
      expected.record(value);
      for (auto missed = value; missed >= 2 * interval;) expected.record(missed -= interval);
      CHECK(measured == expected);
    }
  }

  TEST_CASE("correcting an hour's stall by a nanosecond's interval takes no hour") {
    histogram stalled;
    stalled.record_corrected(one_hour, 1);
    CHECK(stalled.count() == one_hour);
    CHECK(stalled.min() == 1);
    CHECK(stalled.max() == one_hour);
  }

  TEST_CASE("a copy corrected afterwards equals one corrected while it was recorded, up to the buckets' width") {
    histogram plain;
    histogram corrected;
    for (const std::uint64_t value : {5u, 90u, 1'000u, 2'040u}) {  // below 2,048 a bucket is one value
      plain.record(value, 3);
      for (int i = 0; i != 3; ++i) corrected.record_corrected(value, 100);
    }
    CHECK(plain.corrected(100) == corrected);
    CHECK(plain.corrected(0) == plain);
  }

  TEST_CASE("linear steps tell every value once, in the step of its bucket's end") {
    const auto values = random_values(7, 3'000, 1'000'000);
    const auto measured = counted(values);
    std::uint64_t told = 0;
    std::uint64_t next = 0;
    measured.for_each_linear(10'000, [&](std::uint64_t first, std::uint64_t last, std::uint64_t count) {
      CHECK(first == next);
      CHECK(last == first + 9'999);
      next = last + 1;
      std::uint64_t expected = 0;
      for (auto value : values) {
        const auto end = std::min(histogram::highest_of(histogram::index_of(value)), measured.max());
        expected += end >= first && end <= last;
      }
      CHECK(count == expected);
      told += count;
    });
    CHECK(told == values.size());
  }

  TEST_CASE("linear steps end at the largest value there is") {
    histogram extreme;
    extreme.record(~std::uint64_t{0});
    std::uint64_t steps = 0;
    extreme.for_each_linear(std::uint64_t{1} << 62, [&](auto, auto, auto) { ++steps; });
    CHECK(steps == 4);
  }

  TEST_CASE("count_up_to counts whole buckets") {
    histogram measured;
    for (const std::uint64_t value : {10u, 20u, 20u, 5'000u}) measured.record(value);
    CHECK(measured.count_up_to(9) == 0);
    CHECK(measured.count_up_to(10) == 1);
    CHECK(measured.count_up_to(20) == 3);
    CHECK(measured.count_up_to(5'000) == 4);
  }

  TEST_CASE("a histogram that was moved from can be cleared, assigned and used again") {
    histogram first;
    first.record(5);
    histogram second = std::move(first);
    first = second;
    CHECK(first == second);
    histogram third = std::move(first);
    first.clear();
    first.record(7);
    CHECK(first.count() == 1);
    CHECK(third.count() == 1);
  }

  TEST_CASE("a copy is independent, and assigning a histogram to itself changes nothing") {
    auto original = counted(random_values(3, 100));
    const auto copy = original;
    original.record(1);
    CHECK(copy.count() == 100);
    const auto& same = original;
    original = same;
    CHECK(original.count() == 101);
  }
}
