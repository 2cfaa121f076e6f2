#include <martlet/channel.hpp>
#include <martlet/scheduler.hpp>

#include <chrono>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "eventually.hpp"
#include "gate.hpp"
#include "narrow_pool.hpp"
#include "scale.hpp"
#include "thread_now.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::blocking;
using martlet::cancelled;
using martlet::channel;
using martlet::deadline_passed;
using martlet::handle;
using martlet::scheduler;
using martlet::status;
using martlet::task;
using counter = martlet::base::atomic<int>;

TEST_SUITE("blocking and others") {
  TEST_CASE("in the function `await` blocks its thread, `blocking` is a plain call and `spawn` is misuse") {
    scheduler pool(1);
    channel<int> numbers;
    auto h = pool.spawn([](channel<int>& ch) -> task<int> {
      co_return co_await blocking([&ch] {
        CHECK_THROWS_AS(martlet::spawn([]() -> task<> { co_return; }), martlet::misuse);
        const auto here = thread_now();
        CHECK(martlet::await(blocking([here] { return thread_now() == here; })));
        return *martlet::await(ch.receive()) + *martlet::await(ch.receive());
      });
    }(numbers));
    pool.block_on([](channel<int>& ch) -> task<> {
      co_await ch.send(1);
      co_await ch.send(2);
    }(numbers));
    CHECK(pool.block_on(std::move(h)) == 3);
  }

  TEST_CASE("on a plain thread it is a plain call, also with a time limit and in a select") {
    const auto here = thread_now();
    channel<int> nobody;
    CHECK(martlet::await(blocking([&] { return thread_now() == here; })));
    CHECK(martlet::await(martlet::within(0s, blocking([&] {
                                           std::this_thread::sleep_for(1ms);
                                           return thread_now() == here;
                                         }))));
    CHECK(std::get<1>(martlet::await(martlet::select(nobody.receive(), blocking([] { return 5; })))) == 5);
    CHECK_THROWS_AS(martlet::await(blocking([] { throw std::out_of_range("too far"); })), std::out_of_range);
  }

  TEST_CASE("a time limit before the start withdraws it, and after the start it waits for the end") {
    scheduler pool(narrow(1));
    gate door;
    auto first = holds(pool, door);
    bool called = false;
    pool.block_on([](bool& was) -> task<> {
      CHECK_THROWS_AS(co_await martlet::within(1ms, blocking([&was] { was = true; })), deadline_passed);
    }(called));
    CHECK(queued(pool) == 0);
    door.open();
    pool.block_on(std::move(first));
    CHECK(!called);

    // How soon a thread begins nobody promises: the limit grows until one has begun before it.
    for (auto limit = 20ms;; limit *= 2) {
      counter begun{0};
      const auto late = [&begun, limit]() -> task<int> {
        const auto end = std::chrono::steady_clock::now() + limit;
        auto call = [&begun, end] {
          ++begun;
          std::this_thread::sleep_until(end + 5ms);
          return 8;
        };
        try {
          co_return co_await martlet::within(limit, blocking(call));
        } catch (const deadline_passed&) {
          co_return 0;
        }
      };
      const int value = pool.block_on(late());
      CHECK(value == (begun == 1 ? 8 : 0));
      if (begun == 1) {
        break;
      }
    }
  }

  TEST_CASE("in a select it is one case: it withdraws when another was first, and once started it wins") {
    scheduler pool(narrow(1));
    gate door;
    auto first = holds(pool, door);
    channel<int> numbers;
    bool called = false;
    auto loses = pool.spawn([](channel<int>& ch, bool& was) -> task<int> {
      auto done = co_await martlet::select(ch.receive(), blocking([&was] { was = true; }));
      CHECK(done.index() == 0);
      co_return *std::get<0>(done);
    }(numbers, called));
    REQUIRE(eventually([&] { return queued(pool) == 1; }));
    martlet::await(numbers.send(6));
    CHECK(pool.block_on(std::move(loses)) == 6);
    CHECK(queued(pool) == 0);
    door.open();
    pool.block_on(std::move(first));
    CHECK(!called);

    gate inside;
    auto wins = pool.spawn([](channel<int>& ch, gate& g) -> task<int> {
      auto done = co_await martlet::select(ch.receive(), blocking([&g] {
                                             g.pass();
                                             return 9;
                                           }));
      co_return std::get<1>(done);
    }(numbers, inside));
    REQUIRE(eventually([&] { return inside.came() == 1; }));
    int value = 1;
    CHECK(numbers.try_send(value) == martlet::try_status::would_wait);
    CHECK(wins.state() == status::blocked);
    inside.open();
    CHECK(pool.block_on(std::move(wins)) == 9);
  }

  TEST_CASE("thousands of tasklets of both kinds, cancelled at random: each is called once or never") {
    scheduler pool({.workers = 2, .blocking_threads = 4, .blocking_idle = 1ms});
    const int rounds = scaled(4000);
    counter calls{0};
    counter values{0};
    counter stops{0};
    std::vector<handle<>> all;
    const auto one = [&](int kind) -> task<> {
      try {
        const auto call = [&calls] { return ++calls > 0 ? 1 : 0; };
        switch (kind % 3) {
          case 0: values += co_await blocking(call); break;
          case 1: values += co_await martlet::within(100us, blocking(call)); break;
          default: {
            auto done = co_await martlet::select(martlet::sleep_for(100us), blocking(call));
            (done.index() == 1 ? values : stops) += 1;
          }
        }
      } catch (const cancelled&) {
        ++stops;
      } catch (const deadline_passed&) {
        ++stops;
      }
    };
    for (int i = 0; i < rounds; ++i) {
      all.push_back(i % 2 == 0 ? pool.spawn([&one, i] { return one(i); })
                               : pool.spawn([&one, i] { martlet::await(one(i)); }));
      if (i % 5 == 0) {
        all[static_cast<std::size_t>(i / 2)].cancel();
      }
    }
    for (auto& h : all) {
      try {
        pool.block_on(std::move(h));
      } catch (const cancelled&) {  // before it began
        ++stops;
      }
    }
    CHECK(calls == values);
    CHECK(values + stops == rounds);
    CHECK(queued(pool) == 0);
    CHECK(running(pool) == 0);
    MESSAGE("called ", calls.load(), ", stopped ", stops.load());
  }
}

}  // namespace
