#include <martlet/scheduler/yield.hpp>

#include <array>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <martlet/scheduler.hpp>

#include "scale.hpp"

namespace {

using namespace martlet::testing;
using martlet::scheduler;
using martlet::task;

TEST_SUITE("order") {
  TEST_CASE("tasklets that yield take turns, first in, first out") {
    scheduler pool(martlet::scheduler_options{.workers = 1, .lent_threads = 0});
    std::string seen;
    pool.block_on([](std::string& out) -> task<> {
      const auto turns = [](std::string& text, char name) -> task<> {
        co_await martlet::yield();  // from here on all of them stand in the queue
        for (int i = 0; i < 5; ++i) {
          text += name;
          co_await martlet::yield();
        }
      };
      const auto fiber_turns = [&out](char name) {
        return [&out, name] {
          martlet::await(martlet::yield());
          for (int i = 0; i < 5; ++i) {
            out += name;
            martlet::await(martlet::yield());
          }
        };
      };
      std::vector<martlet::handle<>> all;
      all.push_back(martlet::spawn(turns(out, 'a')));
      all.push_back(martlet::spawn(fiber_turns('b')));
      all.push_back(martlet::spawn(turns(out, 'c')));
      all.push_back(martlet::spawn(fiber_turns('d')));
      for (auto& h : all) {
        co_await h.join();
      }
    }(seen));
    REQUIRE(seen.size() == 20);
    const std::string round = seen.substr(0, 4);
    CHECK(seen == round + round + round + round + round);
    for (const char name : std::string("abcd")) {
      CHECK(round.find(name) != std::string::npos);
    }
  }

  TEST_CASE("fibers take turns whatever they return, among themselves and with what they await") {
    scheduler pool(martlet::scheduler_options{.workers = 1, .lent_threads = 0});
    std::string seen;
    const auto turns = [&seen](char name) {
      martlet::await(martlet::yield());
      for (int i = 0; i < 5; ++i) {
        seen += name;
        martlet::await(martlet::yield());
      }
    };
    pool.block_on([](auto take, std::string& text) -> task<> {
      auto nothing = martlet::spawn([=] { take('a'); });
      auto small = martlet::spawn([=] {
        take('b');
        return 'b';
      });
      auto large = martlet::spawn([=] {
        take('c');
        std::array<char, 10'000> bytes{};
        bytes.back() = 'c';
        return bytes;
      });
      auto awaiting = martlet::spawn([&text] {
        martlet::await([](std::string& out) -> task<> {
          co_await martlet::yield();
          for (int i = 0; i < 5; ++i) {
            out += 'd';
            co_await martlet::yield();
          }
        }(text));
      });
      co_await nothing.join();
      const char letter = co_await small.join();
      CHECK(letter == 'b');
      const std::array<char, 10'000> bytes = co_await large.join();
      CHECK(bytes.back() == 'c');
      co_await awaiting.join();
    }(turns, seen));
    REQUIRE(seen.size() == 20);
    const std::string round = seen.substr(0, 4);
    CHECK(seen == round + round + round + round + round);
    for (const char name : std::string("abcd")) {
      CHECK(round.find(name) != std::string::npos);
    }
  }

  TEST_CASE("fibers that yield on several workers keep their locals, and none is lost") {
    scheduler pool(4);
    constexpr int rounds = scaled(20'000);
    std::vector<martlet::handle<long>> all;
    for (int who = 0; who < 32; ++who) {
      all.push_back(pool.spawn([who] {
        long sum = who;
        for (int i = 0; i < rounds; ++i) {
          sum += i;
          martlet::await(martlet::yield());
        }
        return sum;
      }));
    }
    for (int who = 0; who < 32; ++who) {
      CHECK(pool.block_on(std::move(all[static_cast<std::size_t>(who)])) ==
            who + static_cast<long>(rounds) * (rounds - 1) / 2);
    }
  }

  TEST_CASE("a yield of the only tasklet comes back to it") {
    scheduler pool(martlet::scheduler_options{.workers = 1, .lent_threads = 0});
    constexpr int rounds = scaled(1'000'000);
    pool.block_on([](int count) -> task<> {
      for (int i = 0; i < count; ++i) {
        co_await martlet::yield();
      }
    }(rounds));
    pool.block_on(pool.spawn([] {
      for (int i = 0; i < rounds; ++i) {
        martlet::await(martlet::yield());
      }
    }));
    CHECK(pool.statistics().resumed >= 2 * static_cast<unsigned long>(rounds));
  }

  TEST_CASE("on a plain thread a yield does nothing") {
    martlet::await(martlet::yield());
    CHECK(true);
  }

  TEST_CASE("one that only yields starves neither those spawned from outside nor sleepers") {
    scheduler pool(martlet::scheduler_options{.workers = 1, .lent_threads = 0});
    martlet::base::atomic<bool> stop{false};
    auto busy = pool.spawn([&]() -> task<> {
      while (!stop) {
        co_await martlet::yield();
      }
    });
    CHECK(pool.block_on([]() -> task<int> {
      co_await martlet::sleep_for(std::chrono::milliseconds(2));
      co_return 1;
    }()) == 1);
    stop = true;
    pool.block_on(std::move(busy));
  }

  TEST_CASE("tasklets that join children for ever do not starve one that yields") {
    scheduler pool(martlet::scheduler_options{.workers = 1, .lent_threads = 0});
    martlet::base::atomic<bool> stop{false};
    auto busy = pool.spawn([&]() -> task<int> {
      int rounds = 0;
      while (!stop) {  // the child and the joiner hand the worker to and fro: newest first
        rounds += co_await martlet::spawn([]() -> task<int> { co_return 1; }).join();
      }
      co_return rounds;
    });
    pool.block_on([](martlet::base::atomic<bool>& over) -> task<> {
      for (int i = 0; i < 100; ++i) {
        co_await martlet::yield();
      }
      over = true;
    }(stop));
    CHECK(pool.block_on(std::move(busy)) > 0);
  }
}

}  // namespace
