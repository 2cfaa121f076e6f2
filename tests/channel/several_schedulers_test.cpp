#include <martlet/channel.hpp>

#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <martlet/scheduler.hpp>

#include "eventually.hpp"
#include "scale.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::channel;
using martlet::scheduler;
using martlet::status;
using martlet::task;
using counter = martlet::base::atomic<int>;

// A worker's host: what a tasklet runs on belongs to one scheduler.
bool runs_on(scheduler& pool) {
  return martlet::detail::current_host()->executor_ == reinterpret_cast<martlet::detail::executor*>(pool.queue());
}

task<int> passes_on(channel<int>& in, channel<int>& out, scheduler& mine) {
  int passed = 0;
  for (;;) {
    const auto value = co_await in.receive();
    if (!value) {
      out.close();
      co_return passed;
    }
    if (!runs_on(mine)) {
      co_return -1;
    }
    co_await out.send(*value + 1);
    ++passed;
  }
}

TEST_SUITE("several schedulers in a process") {
  TEST_CASE("their tasklets share channels, and each stays on its own scheduler") {
    const int count = scaled(5000);
    for (const std::size_t room : {std::size_t{0}, std::size_t{8}}) {
      channel<int> first(room), second(room), third(room);
      scheduler one(1);
      scheduler two(2);
      auto a = one.spawn(passes_on(first, second, one));
      auto b = two.spawn([&] {  // a fiber
        int passed = 0;
        while (auto value = martlet::await(second.receive())) {
          passed += runs_on(two) ? 1 : -100'000;
          martlet::await(third.send(*value + 1));
        }
        third.close();
        return passed;
      });
      std::thread feeder([&] {
        for (int i = 0; i < count; ++i) {
          martlet::await(first.send(i));
        }
        first.close();
      });
      long sum = 0;
      while (auto value = martlet::await(third.receive())) {
        sum += *value;
      }
      feeder.join();
      CHECK(sum == long{count} * (count - 1) / 2 + 2L * count);
      CHECK(one.block_on(std::move(a)) == count);
      CHECK(two.block_on(std::move(b)) == count);
    }
  }

  TEST_CASE("a tasklet joins, cancels and spawns tasklets of another one") {
    scheduler one(1);
    scheduler two(1);
    const int rounds = scaled(500);
    auto sum = one.spawn([](scheduler& mine, scheduler& other, int n) -> task<int> {
      int all = 0;
      for (int i = 0; i < n; ++i) {
        auto child = other.spawn([](scheduler& its) -> task<int> {
          co_await martlet::yield();
          co_return runs_on(its) ? 1 : 0;
        }(other));
        auto sleeper = other.spawn([]() -> task<> { co_await martlet::sleep_for(1h); });
        all += co_await child.join();
        sleeper.cancel();
        try {
          co_await sleeper.join();
        } catch (const martlet::cancelled&) {
          ++all;
        }
        all += runs_on(mine) ? 1 : 0;
      }
      co_return all;
    }(one, two, rounds));
    CHECK(one.block_on(std::move(sum)) == 3 * rounds);
  }

  TEST_CASE("each has its own timers") {
    scheduler one(1);
    scheduler two(1);
    channel<int> ticks(100);
    const auto tick = [](channel<int>& out, int who) -> task<> {
      for (int i = 0; i < 10; ++i) {
        co_await martlet::sleep_for(500us);
        co_await out.send(who);
      }
    };
    auto a = one.spawn(tick(ticks, 1));
    auto b = two.spawn(tick(ticks, 100));
    one.block_on(std::move(a));
    two.block_on(std::move(b));
    int sum = 0;
    for (int i = 0; i < 20; ++i) {
      sum += martlet::await(ticks.receive()).value_or(0);
    }
    CHECK(sum == 1010);
  }

  TEST_CASE("one ends while the tasklets of another wait where its own did") {
    for (int round = 0; round < scaled(100); ++round) {
      channel<int> shared;
      counter cancelled_ones{0};
      scheduler lives(1);
      auto survivor = lives.spawn([](channel<int>& in) -> task<int> {
        int sum = 0;
        for (;;) {
          const auto value = co_await in.receive();
          if (!value) {
            co_return sum;
          }
          sum += *value;
        }
      }(shared));
      martlet::handle<int> kept;
      {
        scheduler ends(2);
        for (int i = 0; i < 5; ++i) {
          ends.spawn([](channel<int>& in, counter& n) -> task<> {
            try {
              co_await in.receive();
            } catch (const martlet::cancelled&) {
              ++n;
            }
          }(shared, cancelled_ones));
        }
        kept = ends.spawn([] { return 7; });
        REQUIRE(eventually([&] { return shared.balance() == -6 && kept.state() == status::done; }));
      }
      CHECK(cancelled_ones == 5);
      CHECK(lives.block_on(std::move(kept)) == 7);
      martlet::await(shared.send(1));
      martlet::await(shared.send(2));
      shared.close();
      CHECK(lives.block_on(std::move(survivor)) == 3);
    }
  }

  TEST_CASE("they end in any order while values still go from one to the other") {
    for (int round = 0; round < scaled(60); ++round) {
      channel<int> there(1), back;
      auto one = std::make_unique<scheduler>(1);
      auto two = std::make_unique<scheduler>(1);
      for (int i = 0; i < 3; ++i) {
        one->spawn([](channel<int>& out, channel<int>& in) -> task<> {
          for (;;) {
            co_await out.send(1);
            co_await in.receive();
          }
        }(there, back));
        two->spawn([&] {
          for (;;) {
            martlet::await(there.receive());
            martlet::await(back.send(1));
          }
        });
      }
      std::this_thread::sleep_for(std::chrono::microseconds(50 * (round % 10)));
      (round % 2 == 0 ? one : two).reset();
      (round % 2 == 0 ? two : one).reset();
      CHECK(there.balance() <= 1);
      CHECK(back.balance() == 0);
    }
  }
}

}  // namespace
