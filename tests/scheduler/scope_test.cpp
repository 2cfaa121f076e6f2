#include <martlet/scheduler/scope.hpp>

#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <martlet/scheduler.hpp>

#include "eventually.hpp"
#include "in_child.hpp"
#include "scale.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::in_scope;
using martlet::scheduler;
using martlet::scope;
using martlet::task;
using counter = martlet::base::atomic<int>;

task<> ends_later(counter& ended) {
  co_await martlet::sleep_for(2ms);
  ++ended;
}
task<> fails(std::string why) {
  co_await martlet::yield();
  throw std::runtime_error(why);
}

std::vector<std::string> texts_of(const martlet::scope_failed& all) {
  std::vector<std::string> texts;
  for (const auto& one : all.errors()) {
    try {
      std::rethrow_exception(one);
    } catch (const std::exception& e) {
      texts.emplace_back(e.what());
    }
  }
  return texts;
}

TEST_SUITE("in_scope") {
  TEST_CASE("no child outlives it, and it gives what the body returned") {
    scheduler pool(2);
    counter ended{0};
    const int children = fibers(200);
    const int result = pool.block_on([](counter& n, int count) -> task<int> {
      const int inner = co_await in_scope([&](scope& s) -> task<int> {
        for (int i = 0; i < count; ++i) {
          s.spawn(ends_later(n));
          s.spawn([&n] {
            martlet::await(martlet::sleep_for(1ms));
            ++n;
          });
        }
        co_return 5;
      });
      co_return inner * 10000 + n.load();
    }(ended, children));
    CHECK(result == 50000 + 2 * children);
  }

  TEST_CASE("children may spawn more into it while it lives") {
    scheduler pool(2);
    counter ended{0};
    pool.block_on([](counter& n) -> task<> {
      co_await in_scope([&](scope& s) -> task<> {
        const auto grow = [&](auto& self, int depth) -> task<> {
          ++n;
          if (depth != 0) {
            s.spawn(self(self, depth - 1));
            co_await martlet::yield();
            s.spawn(self(self, depth - 1));
          }
        };
        co_await grow(grow, 7);
        while (s.size() != 0) {  // `grow` is ours: it has to live as long as who calls it
          co_await martlet::yield();
        }
      });
    }(ended));
    CHECK(ended == 255);
  }

  TEST_CASE("when the body throws, the children still end first") {
    scheduler pool(2);
    counter ended{0};
    const auto run = [&] {
      pool.block_on([](counter& n) -> task<> {
        co_await in_scope([&](scope& s) -> task<> {
          s.spawn(ends_later(n));
          s.spawn(ends_later(n));
          throw std::runtime_error("the body");
          co_return;
        });
      }(ended));
    };
    CHECK_THROWS_WITH_AS(run(), "the body", std::runtime_error);
    CHECK(ended == 2);
  }

  TEST_CASE("the one error of a child is thrown as it is") {
    scheduler pool(2);
    counter ended{0};
    const auto run = [&] {
      pool.block_on([](counter& n) -> task<> {
        co_await in_scope([&](scope& s) -> task<> {
          s.spawn(fails("a child"));
          s.spawn(ends_later(n));
          co_return;
        });
      }(ended));
    };
    CHECK_THROWS_WITH_AS(run(), "a child", std::runtime_error);
    CHECK(ended == 1);
  }

  TEST_CASE("several errors are all kept, the body's first") {
    scheduler pool(2);
    std::vector<std::string> texts;
    std::string what;
    try {
      pool.block_on([]() -> task<> {
        co_await in_scope([](scope& s) -> task<> {
          s.spawn(fails("x"));
          s.spawn([] { throw std::runtime_error("x"); });
          throw std::runtime_error("body");
          co_return;
        });
      }());
    } catch (const martlet::scope_failed& all) {
      texts = texts_of(all);
      what = all.what();
    }
    CHECK(texts == std::vector<std::string>{"body", "x", "x"});
    CHECK(what.find("3 tasklets") != std::string::npos);
    CHECK(what.find("body") != std::string::npos);
  }

  TEST_CASE("a cancelled one still waits for its children") {
    scheduler pool(2);
    counter ended{0};
    counter begun{0};
    auto h = pool.spawn([](counter& started, counter& n) -> task<> {
      co_await in_scope([&](scope& s) -> task<> {
        s.spawn([](counter& all) -> task<> {
          co_await martlet::sleep_for(20ms);
          ++all;
        }(n));
        ++started;
        co_await martlet::sleep_for(1h);
      });
    }(begun, ended));
    REQUIRE(eventually([&] { return begun == 1; }));
    h.cancel();
    CHECK_THROWS_AS(pool.block_on(std::move(h)), martlet::cancelled);
    CHECK(ended == 1);
  }
}

TEST_SUITE("scope") {
  TEST_CASE("in a fiber and on a thread its destructor waits") {
    scheduler pool(2);
    counter ended{0};
    {
      scope here(pool);
      here.spawn(ends_later(ended));
      here.spawn([&] { ++ended; });
    }
    CHECK(ended == 2);
    const int seen = pool.block_on(pool.spawn([&ended] {
      {
        scope inside;
        inside.spawn(ends_later(ended));
        inside.spawn(ends_later(ended));
      }
      return ended.load();
    }));
    CHECK(seen == 4);
  }

  TEST_CASE("join throws the children's errors, and the scope can go on") {
    scheduler pool(2);
    scope here(pool);
    here.spawn(fails("first"));
    CHECK_THROWS_WITH_AS(here.join(), "first", std::runtime_error);
    here.join();
    here.spawn(fails("a"));
    here.spawn(fails("b"));
    CHECK_THROWS_AS(here.join(), martlet::scope_failed);
    counter ended{0};
    here.spawn(ends_later(ended));
    CHECK(here.size() <= 1);
    here.join();
    CHECK(ended == 1);
    CHECK(here.size() == 0);
  }

  TEST_CASE("a child can also be joined by its handle") {
    scheduler pool(2);
    scope here(pool);
    auto h = here.spawn([]() -> task<int> { co_return 9; });
    CHECK(martlet::await(h.join()) == 9);
    here.join();
  }

  TEST_CASE("many scopes end while their last children do") {
    scheduler pool(2);
    const int rounds = scaled(20'000);
    counter ended{0};
    for (int i = 0; i < rounds; ++i) {
      scope here(pool);
      here.spawn([](counter& n) -> task<> {
        ++n;
        co_return;
      }(ended));
    }
    CHECK(ended == rounds);
  }

  TEST_CASE("a scope that is joined twice at once stops the program with a sentence") {
    const auto end = in_child([] {
      scheduler pool(2);
      martlet::scope s(pool);
      s.spawn([]() -> task<> { co_await martlet::sleep_for(std::chrono::hours(1)); });
      std::thread other([&s] { s.join(); });
      s.join();
    });
    CHECK(end.was_aborted());
    CHECK(end.said("join a scope in one place"));
  }
}

}  // namespace
