#include <martlet/channel.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <martlet/scheduler.hpp>

#include "scale.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::channel;
using martlet::scheduler;
using martlet::task;

task<long> counts(channel<int>& in) {
  long total = 0;
  while (auto n = co_await in.receive()) {
    total += *n;
  }
  co_return total;
}

TEST_SUITE("foreign wake-ups") {
  TEST_CASE("none of ten million is lost") {
    // A rendezvous that a try_send has done found a tasklet parked and woke it; one lost would never be received.
    scheduler pool(2);
    constexpr int threads = 2;
    constexpr std::size_t tasklets = 500;
    const int each = by_level(250'000, 5'000'000);
    std::vector<std::unique_ptr<channel<int>>> channels;
    std::vector<martlet::handle<long>> receivers;
    for (std::size_t i = 0; i < threads * tasklets; ++i) {
      channels.push_back(std::make_unique<channel<int>>());
      receivers.push_back(pool.spawn(counts(*channels.back())));
    }
    std::vector<std::thread> wakers;
    for (std::size_t t = 0; t < threads; ++t) {
      wakers.emplace_back([&, t] {
        int woken = 0;
        for (std::size_t i = 0; woken < each; i = i + 1 == tasklets ? 0 : i + 1) {
          int one = 1;
          woken += channels[t * tasklets + i]->try_send(one) == martlet::try_status::done ? 1 : 0;
        }
      });
    }
    for (auto& t : wakers) {
      t.join();
    }
    long received = 0;
    for (std::size_t i = 0; i < receivers.size(); ++i) {
      channels[i]->close();
      received += pool.block_on(std::move(receivers[i]));
    }
    CHECK(received == static_cast<long>(threads) * each);
  }

  TEST_CASE("none is lost that finds the worker asleep, and the counter says that it did") {
    // Without spinning, and with one worker and no other thread, it sleeps as soon as the tasklet has parked; on a crowded machine
    // one send in thirty finds it there.
    scheduler pool(martlet::scheduler_options{.workers = 1, .lent_threads = 0, .spin = 0ns});
    const int wanted = by_level(2000, 20'000);
    channel<int> c;
    auto sum = pool.spawn(counts(c));
    long sent = 0;
    while (pool.statistics().wakes < static_cast<unsigned>(wanted) && sent < 1000L * wanted) {
      martlet::await(c.send(1));
      ++sent;
    }
    c.close();
    CHECK(pool.block_on(std::move(sum)) == sent);
    CHECK(pool.statistics().wakes >= static_cast<unsigned>(wanted));
    MESSAGE(sent, " wake-ups, ", pool.statistics().wakes, " of which found the worker asleep");
  }
}

}  // namespace
