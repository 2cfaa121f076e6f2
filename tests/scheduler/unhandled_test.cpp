#include <martlet/scheduler.hpp>

#include <chrono>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "eventually.hpp"
#include "in_child.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::scheduler;
using martlet::scheduler_options;
using martlet::task;

using flag = martlet::base::atomic<bool>;

task<> fails(const char* why) {
  throw std::runtime_error(why);
  co_return;
}
// Fails once nobody can join it any more.
task<> fails_after(flag& dropped, const char* why) {
  while (!dropped) {
    co_await martlet::yield();
  }
  throw std::runtime_error(why);
}

// What on_unhandled was told.
class reports {
 public:
  scheduler_options options() {
    return {.workers = 2, .on_unhandled = [this](const std::exception_ptr& error, martlet::site where) {
              const std::lock_guard guard(lock_);
              try {
                std::rethrow_exception(error);
              } catch (const std::exception& e) {
                all_.push_back(std::string(e.what()) + '@' + std::to_string(where.line()));
              }
            }};
  }
  std::vector<std::string> all() const {
    const std::lock_guard guard(lock_);
    return all_;
  }

 private:
  mutable std::mutex lock_;
  std::vector<std::string> all_;
};

TEST_SUITE("on_unhandled") {
  TEST_CASE("it is told of what a scope's join has not thrown") {
    reports told;
    scheduler pool(told.options());
    constexpr int line = __LINE__ + 3;
    {
      martlet::scope never_joined(pool);
      never_joined.spawn(fails("in a scope"));
    }
    CHECK(told.all() == std::vector<std::string>{"in a scope@" + std::to_string(line)});
  }

  TEST_CASE("a failure whose handle is dropped after it is told once, one that was joined is not") {
    reports told;
    {
      scheduler pool(told.options());
      {
        auto dropped = pool.spawn(fails("nobody looked"));
        eventually([&] { return dropped.state() == martlet::status::failed; });
        CHECK(told.all().empty());
      }
      CHECK(told.all().size() == 1);
      CHECK_THROWS_AS(pool.block_on(pool.spawn(fails("somebody looked"))), std::runtime_error);
    }
    REQUIRE(told.all().size() == 1);
    CHECK(told.all()[0].starts_with("nobody looked@"));
  }

  TEST_CASE("it hears of a failure whose handle was dropped, with the place of the spawn") {
    reports heard;
    scheduler pool(heard.options());
    flag dropped{false};
    pool.spawn(fails_after(dropped, "one"));
    const unsigned first = __LINE__ - 1;
    dropped = true;
    REQUIRE(eventually([&] { return heard.all().size() == 1; }));
    CHECK(heard.all()[0] == "one@" + std::to_string(first));
    flag also{false};
    const auto in_fiber = [&also] { martlet::await(fails_after(also, "two")); };
    pool.spawn(in_fiber);
    const unsigned second = __LINE__ - 1;
    also = true;
    REQUIRE(eventually([&] { return heard.all().size() == 2; }));
    CHECK(heard.all()[1] == "two@" + std::to_string(second));
  }

  TEST_CASE("it does not hear of what was joined, nor of a cancel") {
    reports heard;
    {
      scheduler pool(heard.options());
      CHECK_THROWS_AS(pool.block_on(fails("joined")), std::runtime_error);
      pool.spawn([]() -> task<> { co_await martlet::sleep_for(1h); });
      pool.spawn([] { martlet::await(martlet::sleep_for(1h)); });
      pool.spawn([]() -> task<> {
        co_await martlet::in_scope([](martlet::scope& s) -> task<> {
          s.spawn([]() -> task<> { co_await martlet::sleep_for(1h); });
          s.spawn([]() -> task<> { co_await martlet::sleep_for(1h); });
          co_await martlet::sleep_for(1h);
        });
      });
      pool.block_on([]() -> task<> { co_await martlet::sleep_for(2ms); }());
    }
    CHECK(heard.all().empty());
  }

  TEST_CASE("it hears of one that ended with the cancel of another, which nobody had asked to stop") {
    reports heard;
    scheduler pool(heard.options());
    auto sleeper = pool.spawn([]() -> task<> { co_await martlet::sleep_for(1h); });
    flag is_cancelled{false};
    pool.spawn([](martlet::handle<>& other, flag& told) -> task<> {
      while (!told) {
        co_await martlet::yield();
      }
      co_await other.join();
    }(sleeper, is_cancelled));
    sleeper.cancel();
    is_cancelled = true;
    CHECK(eventually([&] { return heard.all().size() == 1; }));
  }

  TEST_CASE("a failure that nobody joins cancels nobody else") {
    reports heard;
    scheduler pool(heard.options());
    auto other = pool.spawn([]() -> task<int> {
      co_await martlet::sleep_for(10ms);
      co_return 1;
    });
    flag dropped{false};
    pool.spawn(fails_after(dropped, "alone"));
    dropped = true;
    CHECK(pool.block_on(std::move(other)) == 1);
    CHECK(eventually([&] { return heard.all().size() == 1; }));
  }

  TEST_CASE("without it the failure is one line on stderr") {
    const auto end = in_child([] {
      scheduler pool(1);
      flag dropped{false};
      pool.spawn(fails_after(dropped, "said aloud"));
      dropped = true;
      while (pool.statistics().ended == 0) {
        std::this_thread::yield();
      }
    });
    CHECK(end.exited_with(0));
    CHECK(end.said("said aloud"));
    CHECK(end.said("unhandled_test.cpp:"));
  }

  TEST_CASE("a scope's error that no join has thrown is a line on stderr") {
    const auto end = in_child([] {
      scheduler pool(1);
      martlet::scope here(pool);
      here.spawn(fails("in the scope"));
    });
    CHECK(end.exited_with(0));
    CHECK(end.said("in the scope"));
    CHECK(end.said("unhandled_test.cpp:"));
  }
}

}  // namespace
