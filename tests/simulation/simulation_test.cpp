#include <chrono>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <martlet/channel.hpp>
#include <martlet/scheduler.hpp>

namespace {

using namespace std::chrono_literals;
using martlet::channel;
using martlet::scheduler;
using martlet::simulation;
using martlet::task;

// Three tasklets that note their names, with a schedule point after each.
task<> notes(char name, std::string& order) {
  for (int i = 0; i < 4; ++i) {
    order += name;
    co_await martlet::yield();
  }
}

std::string order_of(simulation& sim) {
  std::string order;
  martlet::scope all(sim);
  for (const char name : {'a', 'b', 'c'}) {
    all.spawn(notes(name, order));
  }
  all.join();
  return order;
}

TEST_SUITE("simulation") {
  TEST_CASE("the same seed gives the same run, and another one another") {
    std::set<std::string> orders;
    std::set<std::uint64_t> hashes;
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
      simulation once(seed);
      const std::string order = order_of(once);
      const std::uint64_t hash = once.hash();
      CHECK(once.shutdown(0s).is_complete());
      CHECK(order.size() == 12);
      orders.insert(order);
      hashes.insert(hash);
    }
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
      simulation again(seed);
      CHECK(orders.count(order_of(again)) == 1);
      CHECK(hashes.count(again.hash()) == 1);
    }
    CHECK(orders.size() > 40);
    CHECK(hashes.size() > 40);
  }

  TEST_CASE("a day of sleep takes no time") {
    const auto before = std::chrono::steady_clock::now();
    simulation sim(1);
    const auto tick = []() -> task<int> {
      int ticks = 0;
      for (; ticks < 24 * 60; ++ticks) {
        co_await martlet::sleep_for(1min);
      }
      co_return ticks;
    };
    CHECK(sim.block_on(tick()) == 24 * 60);
    CHECK(sim.elapsed() >= 24h);
    CHECK(sim.elapsed() < 24h + 1s);
    CHECK(std::chrono::steady_clock::now() - before < 1h);
  }

  TEST_CASE("when everybody waits the report says who waits for what") {
    channel<int> nobody_sends;
    simulation sim(1);
    std::string said;
    try {
      sim.block_on([](channel<int>& from) -> task<> {
        martlet::this_tasklet::set_name("reader");
        static_cast<void>(co_await from.receive());
      }(nobody_sends));
    } catch (const martlet::deadlock& e) {
      said = e.what();
    }
    CHECK(said.find("tasklet 1 \"reader\", spawned at ") != std::string::npos);
    CHECK(said.find("simulation_test.cpp:") != std::string::npos);
    CHECK(said.find("waits for channel #1") != std::string::npos);
  }
}

}  // namespace
