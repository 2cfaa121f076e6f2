#include <martlet/channel/select.hpp>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

#include <doctest/doctest.h>

#include <martlet/channel.hpp>

#include "crew.hpp"
#include "eventually.hpp"
#include "scale.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::channel;
using martlet::scheduler;
using martlet::select;
using martlet::sleep_for;
using martlet::task;
using counter = martlet::base::atomic<int>;

TEST_SUITE("select") {
  TEST_CASE("it waits for the first of channels, sends, joins and times, and does that one only") {
    scheduler pool(2);
    channel<int> in;
    channel<std::string> out;
    counter may_end{0};
    auto worker = pool.spawn([](counter& go) -> task<int> {
      while (go == 0) {
        co_await sleep_for(1ms);
      }
      co_return 4;
    }(may_end));
    const auto choose = [&](std::chrono::nanoseconds limit) {
      return pool.spawn([&, limit]() -> task<std::size_t> {
        auto first = co_await select(in.receive(), out.send("text"), worker.join(), sleep_for(limit));
        if (first.index() == 0 && std::get<0>(first) != 3) {
          throw std::runtime_error("another value");
        }
        if (first.index() == 2 && std::get<2>(first) != 4) {
          throw std::runtime_error("another result");
        }
        co_return first.index();
      });
    };
    CHECK(pool.block_on(choose(3ms)) == 3);
    auto receives = choose(1h);
    REQUIRE(eventually([&] { return in.balance() == -1; }));
    martlet::await(in.send(3));
    CHECK(pool.block_on(std::move(receives)) == 0);
    CHECK(out.balance() == 0);
    auto sends = choose(1h);
    REQUIRE(eventually([&] { return out.balance() == 1; }));
    CHECK(martlet::await(out.receive()) == "text");
    CHECK(pool.block_on(std::move(sends)) == 1);
    CHECK(in.balance() == 0);
    auto joins = choose(1h);
    REQUIRE(eventually([&] { return in.balance() == -1; }));
    may_end = 1;
    CHECK(pool.block_on(std::move(joins)) == 2);
    CHECK(in.balance() == 0);
    CHECK(out.balance() == 0);
  }

  TEST_CASE("fibers and threads select as coroutines do") {
    scheduler pool(2);
    channel<int> one;
    channel<int> two;
    for (const actor kind : all_actors) {
      counter sum{0};
      crew all(pool);
      all.add(
          kind,
          [&]() -> task<> {
            for (int i = 0; i < 3; ++i) {
              auto first = co_await select(one.receive(), two.receive(), sleep_for(1h));
              sum += first.index() == 0 ? *std::get<0>(first) : 10 * *std::get<1>(first);
            }
            sum += (co_await select(one.receive(), sleep_for(1ms))).index() == 1 ? 100 : 0;
          },
          [&] {
            for (int i = 0; i < 3; ++i) {
              auto first = martlet::await(select(one.receive(), two.receive(), sleep_for(1h)));
              sum += first.index() == 0 ? *std::get<0>(first) : 10 * *std::get<1>(first);
            }
            sum += martlet::await(select(one.receive(), sleep_for(1ms))).index() == 1 ? 100 : 0;
          });
      martlet::await(one.send(1));
      martlet::await(two.send(2));
      martlet::await(one.send(3));
      all.join();
      CHECK(sum == 1 + 20 + 3 + 100);
      CHECK(one.balance() == 0);
      CHECK(two.balance() == 0);
    }
  }

  TEST_CASE("each of two ready channels is chosen about half of the time") {
    scheduler pool(2);
    const int rounds = 100'000;
    for (const bool in_fiber : {false, true}) {
      channel<int> one(1);
      channel<int> two(1);
      int first = 0;
      const auto refill = [](channel<int>& c) {
        int value = 1;
        static_cast<void>(c.try_send(value));
      };
      if (in_fiber) {
        pool.block_on(pool.spawn([&] {
          for (int i = 0; i < rounds; ++i) {
            refill(one);
            refill(two);
            first += martlet::await(select(one.receive(), two.receive())).index() == 0 ? 1 : 0;
          }
        }));
      } else {
        pool.block_on([&]() -> task<> {
          for (int i = 0; i < rounds; ++i) {
            refill(one);
            refill(two);
            first += (co_await select(one.receive(), two.receive())).index() == 0 ? 1 : 0;
          }
        }());
      }
      CHECK(first >= 45'000);
      CHECK(first <= 55'000);
    }
  }

  TEST_CASE("sends that can both be done are chosen alike, and on a thread each has its share") {
    channel<int> one(1);
    channel<int> two(1);
    int first = 0;
    const int rounds = 100'000;
    for (int i = 0; i < rounds; ++i) {
      first += martlet::await(select(one.send(1), two.send(2))).index() == 0 ? 1 : 0;
      int value = 0;
      static_cast<void>(one.try_receive(value));
      static_cast<void>(two.try_receive(value));
    }
    CHECK(first >= 45'000);
    CHECK(first <= 55'000);
  }

  TEST_CASE("with no time it does not wait, and what can be done goes before the time") {
    channel<int> c(1);
    for (int i = 0; i < 100; ++i) {
      CHECK(martlet::await(select(c.receive(), sleep_for(0s))).index() == 1);
      CHECK(martlet::await(select(sleep_for(0s), c.send(1))).index() == 1);
      CHECK(martlet::await(select(sleep_for(-1s), c.receive())).index() == 1);
    }
    CHECK(c.balance() == 0);
  }

  TEST_CASE("of several times the earliest wakes it") {
    scheduler pool(1);
    CHECK(martlet::await(select(sleep_for(1h), sleep_for(1ms), sleep_for(2h))).index() == 1);
    CHECK(pool.block_on([]() -> task<std::size_t> {
      co_return (co_await select(sleep_for(1h), sleep_for(2h), sleep_for(1ms))).index();
    }()) == 2);
  }

  TEST_CASE("the same channel may stand in it twice, and on both sides") {
    scheduler pool(2);
    channel<int> c;
    auto twice = pool.spawn([&c]() -> task<int> {
      auto first = co_await select(c.receive(), c.receive());
      co_return first.index() == 0 ? *std::get<0>(first) : *std::get<1>(first);
    });
    martlet::await(c.send(3));
    CHECK(pool.block_on(std::move(twice)) == 3);
    CHECK(c.balance() == 0);
    const auto both = [](channel<int>& on) -> task<int> {
      auto first = co_await select(on.receive(), on.send(5));
      co_return first.index() == 0 ? *std::get<0>(first) : 0;
    };
    auto left = pool.spawn(both(c));
    auto right = pool.spawn(both(c));  // each may send to the other, but not to itself
    CHECK(pool.block_on(std::move(left)) + pool.block_on(std::move(right)) == 5);
    CHECK(c.balance() == 0);
  }

  TEST_CASE("a closed channel is ready: a receive gives nothing, a send throws") {
    scheduler pool(2);
    channel<int> open;
    channel<int> closed;
    closed.close();
    const auto first = martlet::await(select(open.receive(), closed.receive()));
    REQUIRE(first.index() == 1);
    CHECK(!std::get<1>(first).has_value());
    CHECK_THROWS_AS(martlet::await(select(open.receive(), closed.send(1))), martlet::channel_closed);
    CHECK(open.balance() == 0);
    channel<int> later;
    auto waits = pool.spawn([&]() -> task<bool> {
      auto which = co_await select(open.receive(), later.receive());
      co_return which.index() == 1 && !std::get<1>(which).has_value();
    });
    REQUIRE(eventually([&] { return later.balance() == -1; }));
    later.close();
    CHECK(pool.block_on(std::move(waits)));
    CHECK(open.balance() == 0);
  }

  TEST_CASE("a joined failure throws out of it") {
    scheduler pool(2);
    channel<int> c;
    auto failing = pool.spawn([]() -> task<> {
      co_await sleep_for(1ms);
      throw std::runtime_error("joined");
    });
    CHECK_THROWS_WITH_AS(martlet::await(select(c.receive(), failing.join())), "joined", std::runtime_error);
    CHECK(c.balance() == 0);
  }

  TEST_CASE("a cancel ends it and leaves nothing behind") {
    scheduler pool(2);
    channel<int> c;
    for (int i = 0; i < scaled(500); ++i) {
      auto h = pool.spawn([&c]() -> task<> { co_await select(c.receive(), sleep_for(1h)); });
      auto f = pool.spawn([&c] { martlet::await(select(c.receive(), sleep_for(1h))); });
      if (i % 2 == 0) {
        REQUIRE(eventually([&] { return c.balance() == -2; }));
      }
      h.cancel();
      f.cancel();
      CHECK_THROWS_AS(pool.block_on(std::move(h)), martlet::cancelled);
      CHECK_THROWS_AS(pool.block_on(std::move(f)), martlet::cancelled);
      CHECK(c.balance() == 0);
    }
  }

  TEST_CASE("it takes many cases") {
    scheduler pool(1);
    channel<int> a, b, c, d, e, f, g, h;
    auto waits = pool.spawn([&]() -> task<std::size_t> {
      co_return (co_await select(a.receive(), b.receive(), c.receive(), d.receive(), e.receive(), f.receive(),
                                 g.receive(), h.receive(), sleep_for(1h)))
          .index();
    });
    martlet::await(g.send(1));
    CHECK(pool.block_on(std::move(waits)) == 6);
    for (auto* one : {&a, &b, &c, &d, &e, &f, &g, &h}) {
      CHECK(one->balance() == 0);
    }
  }
}

}  // namespace
