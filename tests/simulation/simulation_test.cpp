#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <martlet/tasklet/shield.hpp>

#include "some_program.hpp"

namespace {

using namespace std::chrono_literals;
using martlet::channel;
using martlet::scheduler;
using martlet::simulation;
using martlet::task;
using martlet::testing::run_some_program;

std::string hash_in_another_process(const std::string& seed) {
  const char* program = std::getenv("MARTLET_TEST_HASH");
  REQUIRE(program != nullptr);
  FILE* output = ::popen((program + (' ' + seed)).c_str(), "r");
  REQUIRE(output != nullptr);
  char line[64] = {};
  CHECK(std::fgets(line, sizeof line, output) != nullptr);
  ::pclose(output);
  return line;
}

TEST_SUITE("simulation") {
  TEST_CASE("the same seed gives the same run, and another one another") {
    std::map<std::uint64_t, std::pair<std::string, std::uint64_t>> runs;
    std::set<std::string> orders;
    std::set<std::uint64_t> hashes;
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
      simulation sim(seed);
      const std::string order = run_some_program(sim);
      CHECK(order.size() == 14);
      runs[seed] = {order, sim.hash()};
      orders.insert(order);
      hashes.insert(sim.hash());
    }
    CHECK(orders.size() > 35);
    CHECK(hashes.size() == 50);
    for (std::uint64_t seed = 50; seed > 0; --seed) {
      simulation sim(seed);
      CHECK(run_some_program(sim) == runs[seed].first);
      CHECK(sim.hash() == runs[seed].second);
    }
  }

  TEST_CASE("in two processes too") {
    const std::string one = hash_in_another_process("7");
    CHECK(one.size() > 8);
    CHECK(hash_in_another_process("7") == one);
    CHECK(hash_in_another_process("8") != one);
    simulation sim(7);
    static_cast<void>(run_some_program(sim));
    char here[64];
    std::snprintf(here, sizeof here, "%llx\n", static_cast<unsigned long long>(sim.hash()));
    CHECK(one == here);
  }

  TEST_CASE("a scheduler of options runs the same as a simulation of the seed") {
    std::string order;
    {
      simulation sim(3);
      order = run_some_program(sim);
    }
    scheduler pool{martlet::simulated(3)};
    CHECK(run_some_program(pool) == order);
    CHECK(pool.worker_count() == 1);
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

  TEST_CASE("sleepers wake in the order of their times") {
    simulation sim(5);
    std::vector<int> woken;
    martlet::scope all(sim);
    for (const int hours : {3, 1, 2, 5, 4}) {
      all.spawn([](int wait, std::vector<int>& order) -> task<> {
        co_await martlet::sleep_for(std::chrono::hours(wait));
        order.push_back(wait);
      }(hours, woken));
    }
    all.join();
    CHECK(woken == std::vector{1, 2, 3, 4, 5});
  }

  TEST_CASE("who polls sees time pass") {
    simulation sim(1);
    bool is_set = false;
    auto setter = sim.spawn([](bool& flag) -> task<> {
      co_await martlet::sleep_for(10ms);
      flag = true;
    }(is_set));
    sim.block_on([](const bool& flag) -> task<> {
      while (!flag) {
        co_await martlet::yield();
      }
    }(is_set));
    CHECK(sim.elapsed() >= 10ms);
    sim.block_on(std::move(setter));
  }

  TEST_CASE("limits count virtual time") {
    channel<int> silent;
    simulation sim(1);
    CHECK_THROWS_AS(sim.block_on([](channel<int>& from) -> task<> {
      static_cast<void>(co_await martlet::within(1h, from.receive()));
    }(silent)),
                    martlet::deadline_passed);
    CHECK(sim.elapsed() >= 1h);
    CHECK_THROWS_AS(sim.block_on(martlet::in_scope(2h,
                                                   [](martlet::scope& all) -> task<> {
                                                     all.spawn([]() -> task<> { co_await martlet::sleep_for(24h); }());
                                                     co_return;
                                                   })),
                    martlet::deadline_passed);
    CHECK(sim.elapsed() >= 3h);
    CHECK(sim.elapsed() < 4h);
  }

  TEST_CASE("its thread waits in every way that a thread can") {
    channel<int> numbers;
    simulation sim(2);
    auto sender = sim.spawn([](channel<int>& to) -> task<> {
      co_await to.send(1);
      co_await martlet::sleep_for(1h);
      co_await to.send(2);
    }(numbers));
    CHECK(martlet::await(numbers.receive()) == 1);
    CHECK_THROWS_AS(static_cast<void>(martlet::await(martlet::within(1min, numbers.receive()))),
                    martlet::deadline_passed);
    CHECK(sim.elapsed() >= 1min);
    CHECK(sim.elapsed() < 2min);
    martlet::await(martlet::sleep_for(10min));
    CHECK(sim.elapsed() >= 11min);
    CHECK(martlet::await(numbers.receive()) == 2);
    sim.run_here(std::move(sender));
    CHECK(sim.run_here([]() -> task<int> { co_return 3; }()) == 3);
  }

  TEST_CASE("the cases of its thread's selects are the seed's, too") {
    const auto chosen_with = [](std::uint64_t seed) {
      simulation sim(seed);
      channel<int> one(1);
      channel<int> other(1);
      for (channel<int>* each : {&one, &other}) {
        int number = 1;
        CHECK(each->try_send(number) == martlet::try_status::done);
      }
      return martlet::await(martlet::select(one.receive(), other.receive())).index();
    };
    std::size_t ones = 0;
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
      const std::size_t chosen = chosen_with(seed);
      CHECK(chosen_with(seed) == chosen);
      ones += chosen;
    }
    CHECK(ones > 20);
    CHECK(ones < 80);
  }

  TEST_CASE("functions that block deep inside run too, and keep their names") {
    simulation sim(4);
    const std::string name = sim.block_on(sim.spawn([] {
      martlet::this_tasklet::set_name("deep");
      for (int i = 0; i < 10; ++i) {
        martlet::await(martlet::yield());
      }
      martlet::await(martlet::sleep_for(1s));
      return martlet::this_tasklet::name();
    }));
    CHECK(name == "deep");
  }

  TEST_CASE("an error that nobody joins is told") {
    int told = 0;
    {
      simulation sim({}, {.on_unhandled = [&told](const std::exception_ptr&, martlet::site) { ++told; }});
      sim.spawn([]() -> task<> {
        co_await martlet::yield();
        throw std::runtime_error("lost");
      }());
      sim.block_on([]() -> task<> { co_await martlet::sleep_for(1s); }());
    }
    CHECK(told == 1);
  }

  TEST_CASE("the end cancels what is left, and says what does not end") {
    channel<int> silent;
    int cleaned_up = 0;
    simulation sim(6);
    for (int i = 0; i < 3; ++i) {
      sim.spawn([](channel<int>& from, int& count) -> task<> {
        try {
          static_cast<void>(co_await from.receive());
        } catch (const martlet::cancelled&) {
          ++count;
        }
      }(silent, cleaned_up));
    }
    auto shielded = sim.spawn([]() -> task<> {
      const martlet::shield undisturbed;
      co_await martlet::sleep_for(1h);
    }());
    const auto left = sim.shutdown(1s, 1s);
    CHECK(cleaned_up == 3);
    CHECK(left.survivors.size() == 1);
    CHECK(left.text().find("1 blocked, spawned at ") != std::string::npos);
    CHECK(sim.elapsed() < 1h);
    CHECK(sim.shutdown(2h).is_complete());
    CHECK(sim.elapsed() > 1h);
    CHECK_THROWS_AS(sim.spawn([]() -> task<> { co_return; }()), martlet::misuse);
  }

  TEST_CASE("stop, in a tasklet too") {
    simulation sim(6);
    auto sleeper = sim.spawn([]() -> task<> { co_await martlet::sleep_for(1h); }());
    auto stopper = sim.spawn([](scheduler& pool) -> task<> {
      pool.stop();
      co_return;
    }(sim));
    CHECK_THROWS_AS(sim.block_on(std::move(sleeper)), martlet::cancelled);
    CHECK(sim.elapsed() < 1h);
    CHECK(sim.statistics().spawned == 2);
  }
}

}  // namespace
