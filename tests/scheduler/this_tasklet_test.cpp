#include <martlet/tasklet/this_tasklet.hpp>

#include <chrono>
#include <set>
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
using martlet::scheduler;
using martlet::scope;
using martlet::task;
using martlet::tasklet_id;
namespace this_tasklet = martlet::this_tasklet;
using counter = martlet::base::atomic<int>;

task<tasklet_id> inner_id() { co_return this_tasklet::id(); }

TEST_SUITE("this_tasklet") {
  TEST_CASE("ids tell those that live apart, and parts of a tasklet have its id") {
    scheduler pool(2);
    CHECK(this_tasklet::id() == tasklet_id());
    std::vector<martlet::handle<>> all;
    std::set<tasklet_id> ids;
    for (int i = 0; i < 100; ++i) {
      all.push_back(pool.spawn([]() -> task<> { co_await martlet::sleep_for(1h); }));
      ids.insert(all.back().id());
    }
    CHECK(ids.size() == 100);
    for (auto& h : all) {
      h.cancel();
    }
    auto one = pool.spawn([]() -> task<bool> { co_return this_tasklet::id() == co_await inner_id(); });
    CHECK(one.id().number() != 0);
    CHECK(std::hash<tasklet_id>()(one.id()) == std::hash<tasklet_id>()(one.id()));
    CHECK(pool.block_on(std::move(one)));
    auto fiber = pool.spawn([] { return this_tasklet::id(); });
    const tasklet_id told = fiber.id();
    CHECK(pool.block_on(std::move(fiber)) == told);
  }

  TEST_CASE("the parent is the tasklet whose scope it is in") {
    scheduler pool(2);
    pool.block_on([]() -> task<> {
      const tasklet_id me = this_tasklet::id();
      CHECK(this_tasklet::parent() == tasklet_id());
      co_await martlet::in_scope([me](scope& s) -> task<> {
        CHECK(this_tasklet::id() == me);
        auto child = s.spawn([]() -> task<tasklet_id> {
          co_await martlet::yield();
          co_return co_await []() -> task<tasklet_id> { co_return this_tasklet::parent(); }();
        });
        CHECK(co_await child.join() == me);
        CHECK(co_await s.spawn([] { return this_tasklet::parent(); }).join() == me);
      });
    }());
    scope of_thread(pool);
    CHECK(martlet::await(of_thread.spawn([] { return this_tasklet::parent(); })) == tasklet_id());
    of_thread.join();
  }

  TEST_CASE("inside scopes of its own a tasklet has the same parent, and is that of the children there") {
    scheduler pool(1);
    pool.block_on([]() -> task<> {
      const tasklet_id me = this_tasklet::id();
      co_await martlet::in_scope([me](scope& s) -> task<> {
        CHECK(this_tasklet::parent() == tasklet_id());
        co_await s
            .spawn([me]() -> task<> {
              const tasklet_id child = this_tasklet::id();
              co_await martlet::in_scope([me, child](scope&) -> task<> {
                CHECK(this_tasklet::parent() == me);
                co_await martlet::in_scope([me, child](scope& inner) -> task<> {
                  CHECK(this_tasklet::parent() == me);
                  const auto told = co_await inner.spawn([] { return this_tasklet::parent(); }).join();
                  CHECK(told == child);
                });
              });
              CHECK(this_tasklet::parent() == me);
            })
            .join();
        co_await s.spawn([me] { martlet::in_scope([me](scope&) { CHECK(this_tasklet::parent() == me); }); }).join();
      });
    }());
  }

  TEST_CASE("a name is seen from outside until the end, and is cut at 31 bytes") {
    scheduler pool(2);
    counter named{0};
    auto h = pool.spawn([](counter& n) -> task<> {
      CHECK(this_tasklet::name().empty());
      this_tasklet::set_name("short");
      CHECK(this_tasklet::name() == "short");
      this_tasklet::set_name(std::string(100, 'x'));
      n = 1;
      co_await martlet::sleep_for(1h);
    }(named));
    REQUIRE(eventually([&] { return named == 1; }));
    CHECK(h.name() == std::string(31, 'x'));
    h.cancel();
    REQUIRE(eventually([&] { return h.state() == martlet::status::failed; }));
    CHECK(h.name().empty());
    CHECK_THROWS_AS(this_tasklet::set_name("a thread"), martlet::misuse);
    CHECK(this_tasklet::name().empty());
  }

  TEST_CASE("names can be read while they change and tasklets end") {
    scheduler pool(2);
    for (int i = 0; i < scaled(2000); ++i) {
      auto h = pool.spawn([]() -> task<> {
        this_tasklet::set_name("first");
        co_await martlet::yield();
        this_tasklet::set_name("second name");
      });
      for (int look = 0; look < 5; ++look) {
        const std::string seen = h.name();
        CHECK((seen.empty() || seen == "first" || seen == "second name"));
      }
    }
  }

  TEST_CASE("a computation can ask whether it was cancelled") {
    scheduler pool(2);
    counter begun{0};
    auto h = pool.spawn([&begun] {
      begun = 1;
      int turns = 0;
      while (!this_tasklet::is_cancelled()) {
        ++turns;
      }
      return turns;
    });
    REQUIRE(eventually([&] { return begun == 1; }));
    h.cancel();
    CHECK(pool.block_on(std::move(h)) > 0);
    CHECK_FALSE(this_tasklet::is_cancelled());
  }

  TEST_CASE("it knows where it was spawned") {
    scheduler pool(1);
    const auto where = pool.block_on(pool.spawn([] { return this_tasklet::spawned_at(); }));
    CHECK(std::string(where.file()).find("this_tasklet_test.cpp") != std::string::npos);
    CHECK(this_tasklet::spawned_at().line() == 0);
  }
}

}  // namespace
