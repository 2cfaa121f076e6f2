#include <chrono>
#include <string>

#include <doctest/doctest.h>

#include <martlet/channel.hpp>
#include <martlet/scheduler.hpp>
#include <martlet/tasklet/shield.hpp>

#include "in_child.hpp"

namespace {

using namespace std::chrono_literals;
using martlet::channel;
using martlet::simulation;
using martlet::task;
using martlet::testing::in_child;

template <class F>
std::string deadlock_in(F&& body) {
  try {
    body();
  } catch (const martlet::deadlock& e) {
    return e.what();
  }
  return {};
}

bool says(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST_SUITE("deadlock") {
  TEST_CASE("the report names each tasklet, where it was spawned, what it waits for and where") {
    channel<int> nobody_sends;
    simulation sim(9);
    const std::string said = deadlock_in([&] {
      sim.block_on([](channel<int>& from) -> task<> {
        martlet::this_tasklet::set_name("reader");
        static_cast<void>(co_await from.receive());
      }(nobody_sends));
    });
    CHECK(says(said, "seed 9"));
    CHECK(says(said, "tasklet 1 \"reader\", spawned at "));
    CHECK(says(said, "deadlock_test.cpp:"));
    CHECK(says(said, "waits for channel #1, in simulation-deadlock+0x"));
  }

  TEST_CASE("two that wait for each other's locks are found by some seed") {
    int found = 0;
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
      martlet::mutex first;
      martlet::mutex second;
      simulation sim(seed);
      const auto take_both = [](martlet::mutex& one, martlet::mutex& other) -> task<> {
        const auto outer = co_await one.acquire();
        const auto inner = co_await other.acquire();
      };
      const std::string said = deadlock_in([&] {
        martlet::scope both(sim);
        both.spawn(take_both(first, second));
        both.spawn(take_both(second, first));
        both.join();
      });
      if (!said.empty()) {
        ++found;
        CHECK(says(said, "tasklet 1, spawned at "));
        CHECK(says(said, "tasklet 2, spawned at "));
        CHECK(says(said, "waits for mutex #1"));
        CHECK(says(said, "waits for mutex #2"));
      }
    }
    CHECK(found > 10);
    CHECK(found < 90);
  }

  TEST_CASE("what explore has found is seen again, though the program's own locks end first") {
    const auto crosswise = [](simulation& sim) {
      martlet::mutex first;
      martlet::mutex second;
      const auto take_both = [](martlet::mutex& one, martlet::mutex& other) -> task<> {
        const auto outer = co_await one.acquire();
        const auto inner = co_await other.acquire();
      };
      auto one = sim.spawn(take_both(first, second));
      auto other = sim.spawn(take_both(second, first));
      sim.block_on(std::move(one));
      sim.block_on(std::move(other));
    };
    const auto found = martlet::explore(crosswise, {.schedules = 100});
    REQUIRE(found.failed);
    simulation again(found.failed->shrunk);
    CHECK(says(deadlock_in([&] { crosswise(again); }), "waits for mutex #1"));
    CHECK(again.taken().text() == found.failed->shrunk.text());
  }

  TEST_CASE("each kind of wait is called by its name") {
    channel<int> silent;
    martlet::event never_set;
    martlet::semaphore empty(0);
    martlet::wait_group open(1);
    simulation sim(1);
    auto joined = sim.spawn([](martlet::event& from) -> task<> { co_await from.wait(); }(never_set));
    auto in_select = sim.spawn([](channel<int>& one) -> task<> {
      channel<int> another;
      co_await martlet::select(one.receive(), another.receive());
    }(silent));
    auto at_semaphore =
        sim.spawn([](martlet::semaphore& from) -> task<> { const auto held = co_await from.acquire(); }(empty));
    auto at_group = sim.spawn([](martlet::wait_group& from) -> task<> { co_await from.wait(); }(open));
    auto in_fiber = sim.spawn([&] { martlet::await(never_set.wait()); });
    auto joins = sim.spawn([](martlet::handle<void> who) -> task<> { co_await who.join(); }(std::move(joined)));
    const std::string said = deadlock_in([&] { sim.block_on(std::move(joins)); });
    CHECK(says(said, "waits for event #1"));
    CHECK(says(said, "waits for one of several"));
    CHECK(says(said, "waits for semaphore #2"));
    CHECK(says(said, "waits for wait_group #3"));
    CHECK(says(said, "waits for the end of tasklet 1"));
    CHECK(sim.report() == said.substr(said.find("  tasklet 1")));
  }

  TEST_CASE("what the thread waits for itself is told it too, and it may go on otherwise") {
    channel<int> numbers;
    simulation sim(1);
    auto reader =
        sim.spawn([](channel<int>& from) -> task<int> { co_return (co_await from.receive()).value_or(-1); }(numbers));
    channel<int> silent;
    CHECK(says(deadlock_in([&] { static_cast<void>(martlet::await(silent.receive())); }), "tasklet 1, spawned at "));
    int five = 5;
    CHECK(numbers.try_send(five) == martlet::try_status::done);
    CHECK(sim.block_on(std::move(reader)) == 5);
    CHECK(silent.balance() == 0);  // the wait was taken back
  }

  TEST_CASE("a timer that is armed is no deadlock") {
    channel<int> numbers;
    simulation sim(1);
    auto late = sim.spawn([](channel<int>& to) -> task<> {
      co_await martlet::sleep_for(24h);
      co_await to.send(1);
    }(numbers));
    CHECK(martlet::await(numbers.receive()) == 1);
    sim.block_on(std::move(late));
  }

  TEST_CASE("a run without an end is stopped") {
    simulation sim(martlet::simulation_options{.most_steps = 1000});
    const std::string said = deadlock_in([&] {
      sim.block_on([]() -> task<> {
        for (;;) {
          co_await martlet::yield();
        }
      }());
    });
    CHECK(says(said, "the run has no end: it took 1000 turns"));
    CHECK(says(said, "tasklet 1, spawned at "));
  }

  TEST_CASE("a run without an end is stopped for a thread that looks now and then, too") {
    simulation sim(martlet::simulation_options{.most_steps = 1000});
    sim.spawn([]() -> task<> {
      for (;;) {
        co_await martlet::yield();
      }
    }());
    const std::string said = deadlock_in([] {
      for (int looks = 0; looks < 1'000'000; ++looks) {
        martlet::await(martlet::sleep_for(1ms));
      }
    });
    CHECK(says(said, "the run has no end: it took 1000 turns"));
  }

  TEST_CASE("what does not end though it is cancelled stops the program with the report") {
    const auto end = in_child([] {
      channel<int> silent;
      simulation sim(1);
      sim.spawn([](channel<int>& from) -> task<> {
        const martlet::shield undisturbed;
        static_cast<void>(co_await from.receive());
      }(silent));
    });
    CHECK(end.was_aborted());
    CHECK(end.said("a simulation was destroyed, and its tasklets do not end though they are cancelled"));
    CHECK(end.said("waits for channel #1"));
  }
}

}  // namespace
