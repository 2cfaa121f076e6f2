#include "recorder.hpp"

#include <doctest/doctest.h>

#include <random>
#include <thread>

using namespace martlet::loadtest;

TEST_SUITE("recorder") {
  TEST_CASE("a snapshot of nothing is nothing") {
    histogram sum;
    histogram_recorder().add_to(sum);
    CHECK(sum == histogram{});
  }

  TEST_CASE("a snapshot is the histogram of what was recorded, extremes included") {
    histogram expected;
    histogram_recorder recorded;
    std::mt19937_64 random(1);
    for (int i = 0; i != 10'000; ++i) {
      const auto value = random() >> (1 + random() % 60);
      expected.record(value);
      recorded.record(value);
    }
    histogram sum;
    recorded.add_to(sum);
    CHECK(sum == expected);
  }

  TEST_CASE("snapshots taken while another thread writes only ever grow, and none is torn") {
    constexpr std::uint64_t values = 300'000;
    recorder one(1);
    std::thread writer([&] {
      for (std::uint64_t i = 0; i != values; ++i) {
        one.started(i % 100);
        one.answered(0, 200, true, 1'000 + i % 1'000'000, 1'000);
      }
    });
    std::uint64_t before = 0;
    while (before != values) {
      tally counts;
      one.add_to(counts);
      CHECK(counts.succeeded >= before);
      CHECK(counts.started >= counts.finished());
      CHECK(counts.steps[0].requests >= before);
      if (counts.from_intended.count() != 0) {
        CHECK(counts.from_intended.min() >= 1'000);
        CHECK(counts.from_intended.max() < 1'002'000);
      }
      before = counts.succeeded;
    }
    writer.join();
    tally counts;
    one.add_to(counts);
    CHECK(counts.from_intended.count() == values);
    CHECK(counts.lateness.count() == values);
  }

  TEST_CASE("every way to end is counted once, and the workers' counts add up") {
    recorder first(2);
    recorder second(2);
    for (int i = 0; i != 7; ++i) first.started(5);
    second.started(50);
    first.answered(0, 200, true, 20, 10);
    first.answered(1, 503, false, 40, 30);
    first.timed_out(1, 900, 800);
    first.connect_timed_out(0, 700);
    first.failed(0, failure::reset);
    second.answered(1, 200, true, 60, 50);
    first.connected(3);
    second.connected(4);
    second.disconnected();
    first.dropped(9);
    first.late();
    first.sent(100);
    second.received(1'000);

    tally sum;
    first.add_to(sum);
    second.add_to(sum);
    CHECK(sum.started == 8);
    CHECK(sum.succeeded == 2);
    CHECK(sum.failed() == 4);
    CHECK(sum.finished() == 6);
    CHECK(sum.in_flight() == 2);
    CHECK(sum.failures[static_cast<std::size_t>(failure::status)] == 1);
    CHECK(sum.failures[static_cast<std::size_t>(failure::timeout)] == 1);
    CHECK(sum.failures[static_cast<std::size_t>(failure::connect_timeout)] == 1);
    CHECK(sum.failures[static_cast<std::size_t>(failure::reset)] == 1);
    CHECK(sum.statuses[200] == 2);
    CHECK(sum.statuses[503] == 1);
    CHECK(sum.steps[0].requests == 3);
    CHECK(sum.steps[0].failed == 2);
    CHECK(sum.steps[1].requests == 3);
    CHECK(sum.steps[1].failed == 2);
    CHECK(sum.from_intended.count() == 5);  // the reset one has no latency
    CHECK(sum.from_intended.max() == 900);
    CHECK(sum.from_send.count() == 4);
    CHECK(sum.connect.count() == 2);
    CHECK(sum.lateness.max() == 50);
    CHECK(sum.open_connections() == 1);
    CHECK(sum.dropped == 9);
    CHECK(sum.late == 1);
    CHECK(sum.bytes_sent == 100);
    CHECK(sum.bytes_received == 1'000);
  }
}
