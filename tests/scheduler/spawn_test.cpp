#include <martlet/scheduler.hpp>

#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "eventually.hpp"
#include "frames_in_use.hpp"
#include "in_child.hpp"
#include "scale.hpp"
#include "thrown_by.hpp"

namespace {

using namespace martlet::testing;
using martlet::handle;
using martlet::scheduler;
using martlet::task;

task<int> number(int n) { co_return n; }
task<int> fails(const char* why) {
  throw std::runtime_error(why);
  co_return 0;
}
task<int&> refers(int& n) { co_return n; }
task<std::unique_ptr<int>> owns(int n) { co_return std::make_unique<int>(n); }
task<> does_nothing() { co_return; }

template <class T>
task<T> joins(handle<T> child) {
  co_return co_await child.join();
}

TEST_SUITE("spawn") {
  TEST_CASE("a tasklet of either kind hands back its value") {
    scheduler pool(2);
    CHECK(pool.block_on(pool.spawn(number(6))) == 6);
    CHECK(pool.block_on(number(7)) == 7);
    CHECK(pool.block_on(pool.spawn([] { return 8; })) == 8);
    pool.block_on(does_nothing());
    pool.block_on(pool.spawn([] {}));
  }

  TEST_CASE("a value may be a reference, or move only") {
    scheduler pool(2);
    int here = 1;
    CHECK(&pool.block_on(refers(here)) == &here);
    CHECK(&pool.block_on(pool.spawn([&here]() -> int& { return here; })) == &here);
    CHECK(*pool.block_on(owns(5)) == 5);
    CHECK(*pool.block_on(pool.spawn([] { return std::make_unique<int>(6); })) == 6);
  }

  TEST_CASE("a function that returns a task is stackless, and keeps its captures until the end") {
    scheduler pool(2);
    std::string result;
    {
      const auto text = std::make_shared<std::string>("kept");
      auto h = pool.spawn([text]() -> task<std::string> {
        co_await martlet::yield();
        co_return *text;
      });
      result = pool.block_on(std::move(h));
    }
    CHECK(result == "kept");
  }

  TEST_CASE("each kind joins each kind") {
    scheduler pool(2);
    CHECK(pool.block_on(joins(pool.spawn(number(1)))) == 1);
    CHECK(pool.block_on(joins(pool.spawn([] { return 2; }))) == 2);
    CHECK(pool.block_on(pool.spawn([h = pool.spawn(number(3))]() mutable { return martlet::await(h.join()); })) == 3);
    CHECK(pool.block_on(pool.spawn([&pool] { return martlet::await(pool.spawn([] { return 4; })); })) == 4);
    auto plain = pool.spawn(number(5));
    CHECK(martlet::await(plain.join()) == 5);
    CHECK(pool.block_on([](handle<int> h) -> task<int> { co_return co_await std::move(h); }(pool.spawn(number(6)))) ==
          6);
  }

  TEST_CASE("the original exception arrives through a join") {
    scheduler pool(2);
    CHECK_THROWS_WITH_AS(pool.block_on(fails("one")), "one", std::runtime_error);
    CHECK_THROWS_WITH_AS(pool.block_on(joins(pool.spawn(fails("two")))), "two", std::runtime_error);
    CHECK_THROWS_WITH_AS(pool.block_on(pool.spawn([]() -> int { throw std::runtime_error("three"); })), "three",
                         std::runtime_error);
    auto in_fiber = pool.spawn([&pool]() -> std::string {
      try {
        martlet::await(pool.spawn(fails("four")));
      } catch (const std::runtime_error& e) {
        return e.what();
      }
      return "";
    });
    CHECK(pool.block_on(std::move(in_fiber)) == "four");
  }

  TEST_CASE("an awaited task is a part of its tasklet, and throws into it") {
    scheduler pool(2);
    CHECK(pool.block_on([]() -> task<int> {
      int sum = co_await number(1) + co_await number(2);
      try {
        sum += co_await fails("inside");
      } catch (const std::runtime_error&) {
        sum += 10;
      }
      co_return sum;
    }()) == 13);
    CHECK(pool.block_on(pool.spawn([] { return martlet::await(number(20)) + martlet::await(number(1)); })) == 21);
  }

  TEST_CASE("tasklets spawn onto the scheduler that runs them") {
    scheduler pool(2);
    const auto tree = [](auto& self, int depth) -> task<int> {
      if (depth == 0) {
        co_return 1;
      }
      auto left = martlet::spawn(self(self, depth - 1));
      auto right = martlet::spawn(self(self, depth - 1));
      co_return co_await left.join() + co_await right.join();
    };
    CHECK(pool.block_on(tree(tree, 10)) == 1024);
    CHECK(pool.statistics().spawned == 2047);
  }

  TEST_CASE("any thread spawns and joins") {
    scheduler pool(2);
    const int each = scaled(5000);
    martlet::base::atomic<long> sum{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < each; ++i) {
          if (i % 2 == 0) {
            sum += pool.block_on(number(1));
          } else {
            sum += pool.block_on(pool.spawn([] { return 1; }));
          }
        }
      });
    }
    for (auto& t : threads) {
      t.join();
    }
    CHECK(sum == 4L * each);
    CHECK(pool.statistics().ended == pool.statistics().spawned);
  }

  TEST_CASE("a dropped handle does not stop its tasklet") {
    martlet::base::atomic<int> done{0};
    {
      scheduler pool(2);
      for (int i = 0; i < 100; ++i) {
        pool.spawn([](martlet::base::atomic<int>& n) -> task<> {
          ++n;
          co_return;
        }(done));
        pool.spawn([&done] { ++done; });
      }
      pool.block_on(does_nothing());
    }
    CHECK(done == 200);
  }

  TEST_CASE("a handle knows where its tasklet was spawned") {
    scheduler pool(1);
    auto h = pool.spawn(number(1));
    const unsigned line = __LINE__ - 1;
    CHECK(h.spawned_at().text() == std::string(__FILE__) + ':' + std::to_string(line));
    auto f = pool.spawn([] {});
    const unsigned next = __LINE__ - 1;
    CHECK(f.spawned_at().line() == next);
    pool.block_on(std::move(h));
    pool.block_on(std::move(f));
  }
}

TEST_SUITE("misuse") {
  TEST_CASE("a spawn on a thread without a scheduler is refused and leaves nothing behind") {
    const std::size_t frames = frames_in_use();
    const std::size_t stacks = martlet::detail::stacks().counts().taken;
    CHECK_THROWS_AS(martlet::spawn(number(1)), martlet::misuse);
    CHECK_THROWS_AS(martlet::spawn([] { return 1; }), martlet::misuse);
    CHECK(frames_in_use() == frames);
    CHECK(martlet::detail::stacks().counts().taken == stacks);
  }

  TEST_CASE("what would block a worker is refused inside a tasklet") {
    scheduler pool(1);
    const auto in_tasklet = [&](auto call) { pool.block_on(pool.spawn(call)); };
    CHECK_THROWS_AS(in_tasklet([&] { pool.block_on(number(1)); }), martlet::misuse);
    CHECK_THROWS_AS(in_tasklet([&] { pool.run_here(number(1)); }), martlet::misuse);
    CHECK(thrown_by<martlet::misuse>([] { martlet::await(number(1)); }) ==  // on a plain thread nobody would run it
          "await: a plain thread cannot run a task; give it to scheduler::block_on, or spawn it");
  }

  TEST_CASE("options that cannot work are refused") {
    CHECK_THROWS_AS(scheduler(-2), martlet::misuse);
    CHECK_THROWS_AS(scheduler({.workers = 0, .lent_threads = 0}), martlet::misuse);
    CHECK_THROWS_AS(scheduler({.workers = 1, .lent_threads = -1}), martlet::misuse);
    CHECK_THROWS_AS(scheduler({.workers = 2'000'000'000}), martlet::misuse);
    CHECK_THROWS_AS(scheduler({.workers = 1, .lent_threads = 4097}), martlet::misuse);
    CHECK_THROWS_AS(scheduler({.workers = 1, .spin = std::chrono::nanoseconds(-1)}), martlet::misuse);
    CHECK_THROWS_AS(scheduler({.workers = 1, .spin = std::chrono::hours(1)}), martlet::misuse);
    CHECK(scheduler({.lent_threads = 1}).worker_count() >= 1);
  }

  TEST_CASE("an empty handle and a task that has run stop the program with a sentence") {
    const auto twice = in_child([] {
      scheduler pool(1);
      auto h = pool.spawn(number(1));
      pool.block_on(std::move(h));
      static_cast<void>(h.state());
    });
    CHECK(twice.was_aborted());
    CHECK(twice.said("empty handle"));
    const auto spent = in_child([] {
      scheduler pool(1);
      auto once = number(1);
      pool.block_on(std::move(once));
      pool.block_on(std::move(once));
    });
    CHECK(spent.was_aborted());
    CHECK(spent.said("empty task"));
  }

  TEST_CASE("martlet::await in a coroutine stops the program and says what to write") {
    const auto end = in_child([] {
      scheduler pool(1);
      pool.block_on([]() -> task<> {
        martlet::await(martlet::yield());
        co_return;
      }());
    });
    CHECK(end.was_aborted());
    CHECK(end.said("co_await"));
  }

  TEST_CASE("martlet::await where a worker starts stops the program and says so") {
    const auto end = in_child([] {
      const scheduler pool({.workers = 1,
                            .on_worker_start = [] { martlet::await(martlet::sleep_for(std::chrono::seconds(1))); }});
    });
    CHECK(end.was_aborted());
    CHECK(end.said("outside of any tasklet"));
  }

  TEST_CASE("a function whose move throws is no tasklet, and leaves no stack behind") {
    struct immovable_when_asked {
      immovable_when_asked() = default;
      immovable_when_asked(const immovable_when_asked& other) : moves_left(other.moves_left) {}
      immovable_when_asked(immovable_when_asked&& other) : moves_left(other.moves_left - 1) {
        if (moves_left < 0) {
          throw std::runtime_error("no more moves");
        }
      }
      void operator()() const {}
      int moves_left = 0;
    };
    scheduler pool(1);
    for (int moves = 0; moves < 4; ++moves) {
      const auto taken = martlet::detail::stacks().counts().taken;
      immovable_when_asked function;
      function.moves_left = moves;
      try {
        pool.block_on(pool.spawn(function));
      } catch (const std::runtime_error&) {}
      CHECK(eventually([&] { return martlet::detail::stacks().counts().taken == taken; }));
    }
  }

  TEST_CASE("a tasklet that joins itself stops the program") {
    const auto end = in_child([] {
      scheduler pool(1);
      handle<> self;
      martlet::base::atomic<bool> is_there{false};
      self = pool.spawn([&]() -> task<> {
        while (!is_there) {
          co_await martlet::yield();
        }
        co_await self.join();
      });
      is_there = true;
      std::this_thread::sleep_for(std::chrono::seconds(30));
    });
    CHECK(end.was_aborted());
    CHECK(end.said("a tasklet joined its own handle"));
  }

  TEST_CASE("a second join beside the first stops the program") {
    const auto end = in_child([] {
      scheduler pool(1);
      auto h = pool.spawn([]() -> task<> { co_await martlet::sleep_for(std::chrono::hours(1)); });
      const auto join = [](handle<>& child) -> task<> { co_await child.join(); };
      auto first = pool.spawn(join(h));
      pool.block_on(join(h));
    });
    CHECK(end.was_aborted());
    CHECK(end.said("join a tasklet once"));
  }
}

}  // namespace
