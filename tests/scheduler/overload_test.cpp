#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <martlet/scheduler.hpp>

#include "eventually.hpp"
#include "scale.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::overloaded;
using martlet::scheduler;
using martlet::scope;
using martlet::task;
using counter = martlet::base::atomic<int>;
using flag = martlet::base::atomic<bool>;

task<> sleeps() { co_await martlet::sleep_for(1h); }

// Keeps the only worker of a scheduler busy until it is let go.
class plug {
 public:
  explicit plug(scheduler& pool)
      : held_(pool.spawn([this] {
          is_held_ = true;
          while (!may_go_) {
            std::this_thread::yield();
          }
        })) {
    REQUIRE(eventually([this] { return is_held_.load(); }));
  }
  plug(const plug&) = delete;
  plug& operator=(const plug&) = delete;
  ~plug() { let_go(); }

  void let_go() {
    may_go_ = true;
    if (held_) {
      martlet::await(std::move(held_));
    }
  }

 private:
  flag is_held_{false};
  flag may_go_{false};
  martlet::handle<> held_;
};

TEST_SUITE("a limit on tasklets") {
  TEST_CASE("beyond it spawn throws, try_spawn refuses, and what was to be spawned is untouched") {
    scheduler pool({.workers = 1, .most_tasklets = 3});
    std::vector<martlet::handle<>> all;
    for (int i = 0; i < 3; ++i) {
      all.push_back(pool.spawn(sleeps()));
    }
    CHECK_THROWS_AS(pool.spawn(sleeps()), overloaded);
    CHECK_THROWS_AS(pool.spawn([] {}), overloaded);
    task<int> answer = []() -> task<int> { co_return 42; }();
    std::string text = "a text that is too long for the small buffer of a string";
    auto function = [text] { return text; };
    CHECK_FALSE(pool.try_spawn(answer));
    CHECK_FALSE(pool.try_spawn(function));
    CHECK(answer);
    CHECK(function() == text);

    all.back().cancel();
    CHECK_THROWS_AS(martlet::await(all.back().join()), martlet::cancelled);
    auto joined = pool.try_spawn(answer);
    REQUIRE(joined);
    CHECK_FALSE(answer);
    CHECK(pool.block_on(std::move(*joined)) == 42);
    REQUIRE(eventually([&] { return pool.statistics().ended == pool.statistics().spawned - 2; }));
    auto told = pool.try_spawn(function);
    REQUIRE(told);
    CHECK(pool.block_on(std::move(*told)) == text);
  }

  TEST_CASE("children of scopes count, and give their places back however they end") {
    scheduler pool({.workers = 2, .most_tasklets = 8});
    for (int round = 0; round < 200; ++round) {
      scope here(pool);
      int refused = 0;
      for (int i = 0; i < 12; ++i) {
        auto child = [](int n) -> task<> {
          co_await martlet::yield();
          if (n % 3 == 0) {
            throw std::runtime_error("failed");
          }
          co_await martlet::sleep_for(1h);
        }(i);
        refused += here.try_spawn(child) ? 0 : 1;
      }
      CHECK(refused <= 12 - 8);
      here.cancel();
      try {
        here.join();
      } catch (const std::exception&) {}
      CHECK(here.size() == 0);
    }
    std::vector<martlet::handle<>> all;
    for (int i = 0; i < 8; ++i) {
      all.push_back(pool.spawn(sleeps()));  // every place is free again
    }
    CHECK_THROWS_AS(pool.spawn(sleeps()), overloaded);
  }

  TEST_CASE("a place is given back when what is spawned cannot be moved there") {
    struct immovable_when_asked {
      immovable_when_asked() = default;
      immovable_when_asked(const immovable_when_asked&) = default;
      immovable_when_asked(immovable_when_asked&& other) : is_asked(other.is_asked) {
        if (is_asked) {
          throw std::runtime_error("moved");
        }
      }
      void operator()() const {}
      bool is_asked = false;
    };
    scheduler pool({.workers = 1, .most_tasklets = 2});
    const auto check = [&](auto into) {
      immovable_when_asked function;
      function.is_asked = true;
      CHECK_THROWS_AS(into(function), std::runtime_error);
      CHECK_THROWS_AS(into(function), std::runtime_error);
      function.is_asked = false;
      auto entered = into(function);
      REQUIRE(entered);
      pool.block_on(std::move(*entered));
    };
    check([&](auto& function) { return pool.try_spawn(function); });
    scope here(pool);
    check([&](auto& function) { return here.try_spawn(function); });
    here.join();
  }

  TEST_CASE("many threads never get more places than there are") {
    counter inside{0};
    counter most{0};
    scheduler pool({.workers = 2, .most_tasklets = 50});
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < scaled(2000); ++i) {
          auto body = [&]() -> task<> {
            const int now = ++inside;
            for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {}
            co_await martlet::yield();
            --inside;
          };
          static_cast<void>(pool.try_spawn(body));
        }
      });
    }
    for (auto& t : threads) {
      t.join();
    }
    CHECK(eventually([&] { return pool.statistics().ended == pool.statistics().spawned; }));
    CHECK(inside == 0);
    CHECK(most <= 50);
    CHECK(most > 0);
  }
}

TEST_SUITE("a limit on the wait in queues") {
  TEST_CASE("it turns work from outside away while what came before waits too long, and no longer") {
    counter ran{0};
    scheduler pool({.workers = 1, .lent_threads = 0, .longest_queue_wait = 20ms});
    auto one = [&ran] { ++ran; };
    {
      plug held(pool);
      pool.spawn([&ran] { ++ran; });
      CHECK(pool.try_spawn(one));  // the probe follows the first
      CHECK(eventually([&] { return !pool.try_spawn(one); }));
      CHECK(pool.statistics().queue_wait > 20ms);
    }
    CHECK(eventually([&] { return pool.try_spawn(one).has_value(); }));
    CHECK(eventually([&] { return ran >= 3; }));
  }

  TEST_CASE("it looks at the queues of busy workers as well") {
    flag stop{false};
    scheduler pool({.workers = 1, .longest_queue_wait = 5ms});
    for (int i = 0; i < 20; ++i) {
      pool.spawn([&stop]() -> task<> {
        while (!stop) {
          const auto end = std::chrono::steady_clock::now() + 1ms;
          while (std::chrono::steady_clock::now() < end) {}
          co_await martlet::yield();
        }
      });
    }
    auto one = [] {};
    CHECK(eventually([&] {
      return pool.block_on(pool.spawn([&one] { return !martlet::try_spawn(one).has_value(); }));
    }));
    stop = true;
    CHECK(eventually([&] { return pool.try_spawn(one).has_value(); }));
  }

  TEST_CASE("without a limit nothing is turned away") {
    scheduler pool({.workers = 1, .lent_threads = 0});
    plug held(pool);
    auto one = [] {};
    for (int i = 0; i < 100; ++i) {
      CHECK(pool.try_spawn(one));
    }
  }

  TEST_CASE("limits that cannot be meant are refused") {
    CHECK_THROWS_AS(scheduler({.workers = 1, .longest_queue_wait = -1ms}), martlet::misuse);
  }
}

}  // namespace
