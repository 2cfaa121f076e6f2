#include <chrono>
#include <stdexcept>
#include <string>

#include <doctest/doctest.h>

#include <martlet/channel.hpp>
#include <martlet/scheduler.hpp>
#include <martlet/tasklet/shield.hpp>

#include "in_child.hpp"

namespace {

using namespace std::chrono_literals;
using martlet::channel;
using martlet::explore;
using martlet::scheduler;
using martlet::simulation;
using martlet::task;

bool says(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

// Loses an addition when two read before either writes.
task<> add_one(int& balance) {
  const int before = balance;
  co_await martlet::yield();
  balance = before + 1;
}

void add_twice(scheduler& pool) {
  int balance = 0;
  martlet::scope both(pool);
  both.spawn(add_one(balance));
  both.spawn(add_one(balance));
  both.join();
  if (balance != 2) {
    throw std::runtime_error("the balance is " + std::to_string(balance));
  }
}

// An event that is built wrongly, out of martlet's own parts: who waits looks at the flag, and then waits for a notice that
// may have been given in between.
class careless_event {
 public:
  task<> wait() {
    if (!is_set_) {
      co_await martlet::yield();
      ++waiting_;
      static_cast<void>(co_await notice_.receive());
    }
  }

  task<> set() {
    is_set_ = true;
    for (; waiting_ > 0; --waiting_) {
      co_await notice_.send(true);
    }
  }

 private:
  bool is_set_ = false;
  int waiting_ = 0;
  martlet::channel<bool> notice_;
};

TEST_SUITE("explore") {
  TEST_CASE("a lost addition is found, shrunk, and seen again") {
    const auto found = explore(add_twice, {.schedules = 1000});
    REQUIRE(found.failed);
    CHECK(found.failed->what == "the balance is 1");
    CHECK(found.schedules < 50);
    CHECK(found.failed->shrunk.choices.size() <= found.failed->found.choices.size());
    CHECK(found.failed->shrunk.choices.size() == 1);  // one switch at the wrong moment
    CHECK(says(found.text(), "schedule::parse(\""));
    for (const auto& recorded : {found.failed->found, found.failed->shrunk}) {
      simulation sim(martlet::schedule::parse(recorded.text()));
      CHECK_THROWS_WITH_AS(add_twice(sim), "the balance is 1", std::runtime_error);
    }
    simulation sim(martlet::simulation_options{.seed = found.failed->seed, .order = found.failed->order});
    if (found.failed->order == martlet::strategy::uniform) {  // the other one has more to it than the seed
      CHECK_THROWS_AS(add_twice(sim), std::runtime_error);
    }
  }

  TEST_CASE("a failure that does not come again is told as one that depends on more than the schedule") {
    int runs = 0;
    const auto found = explore(
        [&](scheduler& pool) {
          pool.block_on([](bool fails) -> task<> {
            co_await martlet::yield();
            if (fails) {
              throw std::runtime_error("the first run");
            }
          }(runs++ == 0));
        },
        {.schedules = 10});
    REQUIRE(found.failed);
    CHECK(found.schedules == 1);
    CHECK_FALSE(found.failed->repeats);
    CHECK(says(found.text(), "depends on something else than its schedule"));
    const auto lost = explore(add_twice, {.schedules = 1000});
    REQUIRE(lost.failed);
    CHECK(lost.failed->repeats);
    CHECK_FALSE(says(lost.text(), "depends on something else"));
  }

  TEST_CASE("a lost wake-up is found as a deadlock") {
    const auto found = explore(
        [](scheduler& pool) {
          careless_event ready;
          martlet::scope both(pool);
          both.spawn(ready.wait());
          both.spawn(ready.set());
          both.join();
        },
        {.schedules = 1000});
    REQUIRE(found.failed);
    CHECK(says(found.failed->what, "deadlock: nothing can run"));
    CHECK(says(found.failed->what, "explore_test.cpp:"));
    CHECK(says(found.failed->what, "waits for channel #1"));
    CHECK(found.failed->shrunk.choices.size() <= 2);
  }

  TEST_CASE("in a deadlock the tasklets end before what they use, and then the program hears of it") {
    int ended = 0;
    const auto found = explore([&ended](simulation& sim) {
      ended = 0;
      channel<int> silent;
      const auto get = [](channel<int>& from, int& count) -> task<> {
        try {
          static_cast<void>(co_await from.receive());
        } catch (const martlet::cancelled&) {
          ++count;
        }
      };
      sim.spawn(get(silent, ended));
      try {
        sim.block_on(get(silent, ended));
      } catch (const martlet::deadlock&) {
        CHECK(ended == 2);
        sim.block_on([]() -> task<> { co_await martlet::sleep_for(1s); }());
        throw;
      }
    });
    REQUIRE(found.failed);
    CHECK(says(found.failed->what, "deadlock: nothing can run"));
    CHECK(says(found.failed->what, "waits for channel #1"));
    CHECK(found.failed->shrunk.choices.empty());
  }

  TEST_CASE("what never ends stops the search, with the schedule") {
    const auto end = martlet::testing::in_child([] {
      channel<int> silent;
      explore([&silent](scheduler& pool) {
        pool.spawn([](channel<int>& from) -> task<> {
          const martlet::shield undisturbed;
          static_cast<void>(co_await from.receive());
        }(silent));
        pool.block_on([]() -> task<> { co_await martlet::yield(); }());
      });
    });
    CHECK(end.was_aborted());
    CHECK(end.said("do not end though they are cancelled"));
    CHECK(end.said("its schedule was 1:"));
  }

  TEST_CASE("a correct program is run under every schedule that was asked for") {
    int runs = 0;
    const auto found = explore(
        [&runs](scheduler& pool) {
          ++runs;
          int balance = 0;
          martlet::mutex lock;
          martlet::scope both(pool);
          for (int i = 0; i < 3; ++i) {
            both.spawn([](martlet::mutex& own, int& sum) -> task<> {
              const auto guard = co_await own.acquire();
              const int before = sum;
              co_await martlet::yield();
              sum = before + 1;
            }(lock, balance));
          }
          both.join();
          if (balance != 3) {
            throw std::runtime_error("an addition was lost");
          }
        },
        {.schedules = 500});
    CHECK_FALSE(found.failed);
    CHECK(found.schedules == 500);
    CHECK(runs == 500);
    CHECK(says(found.text(), "500 schedules were tried, and none failed"));
  }

  TEST_CASE("what nobody joins counts, and so does a run without an end") {
    const auto unjoined = explore([](scheduler& pool) {
      pool.spawn([]() -> task<> {
        co_await martlet::yield();
        throw std::runtime_error("forgotten");
      }());
      pool.block_on([]() -> task<> { co_await martlet::sleep_for(1s); }());
    });
    REQUIRE(unjoined.failed);
    CHECK(unjoined.failed->what == "forgotten");
    CHECK(unjoined.failed->shrunk.choices.empty());  // whatever the schedule

    const auto endless = explore(
        [](scheduler& pool) {
          pool.block_on([]() -> task<> {
            for (;;) {
              co_await martlet::yield();
            }
          }());
        },
        {.most_steps = 1000});
    REQUIRE(endless.failed);
    CHECK(says(endless.failed->what, "the run has no end"));
  }

  TEST_CASE("a bug that takes three switches in a row is found by priorities") {
    // Each step is only right after the one before it, at another tasklet.
    const auto program = [](scheduler& pool) {
      int stage = 0;
      const auto advance = [](int& at, int when) -> task<> {
        for (int i = 0; i < 3; ++i) {
          if (at == when) {
            at = when + 1;
          }
          co_await martlet::yield();
        }
      };
      martlet::scope all(pool);
      for (const int when : {2, 1, 0}) {
        all.spawn(advance(stage, when));
      }
      for (int i = 0; i < 2; ++i) {
        all.spawn([]() -> task<> {
          for (int round = 0; round < 20; ++round) {
            co_await martlet::yield();
          }
        }());
      }
      all.join();
      if (stage == 3) {
        throw std::logic_error("all three stages");
      }
    };
    const auto found = explore(program, {.schedules = 2000});
    REQUIRE(found.failed);
    CHECK(found.failed->shrunk.choices.size() <= 3);
  }
}

}  // namespace
