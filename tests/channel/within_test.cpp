#include <martlet/channel/select.hpp>

#include <chrono>
#include <memory>
#include <thread>

#include <doctest/doctest.h>

#include <martlet/channel.hpp>

#include "counted.hpp"
#include "crew.hpp"
#include "eventually.hpp"
#include "scale.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::channel;
using martlet::deadline_passed;
using martlet::scheduler;
using martlet::task;
using martlet::within;
using counter = martlet::base::atomic<int>;

TEST_SUITE("within") {
  TEST_CASE("a limit that passes throws, never early, and leaves nothing in the channel") {
    scheduler pool(2);
    channel<int> c;
    counter passed{0};
    {
      crew all(pool);
      for (const actor kind : all_actors) {
        all.add(
            kind,
            [&]() -> task<> {
              const auto start = std::chrono::steady_clock::now();
              try {
                co_await within(3ms, c.receive());
              } catch (const deadline_passed&) {
                passed += std::chrono::steady_clock::now() - start >= 3ms ? 1 : 0;
              }
            },
            [&] {
              const auto start = std::chrono::steady_clock::now();
              try {
                martlet::await(within(3ms, c.receive()));
              } catch (const deadline_passed&) {
                passed += std::chrono::steady_clock::now() - start >= 3ms ? 1 : 0;
              }
            });
      }
    }
    CHECK(passed == 3);
    CHECK(c.balance() == 0);
  }

  TEST_CASE("what comes in time is given, and the limit forgotten") {
    scheduler pool(2);
    channel<int> c;
    crew all(pool);
    counter got{0};
    for (const actor kind : all_actors) {
      all.add(
          kind, [&]() -> task<> { got += *co_await within(1h, c.receive()); },
          [&] { got += *martlet::await(within(1h, c.receive())); });
    }
    for (int i = 0; i < 3; ++i) {
      martlet::await(within(1h, c.send(5)));
    }
    all.join();
    CHECK(got == 15);
  }

  TEST_CASE("a send that was not done keeps its value") {
    channel<std::unique_ptr<int>> c;
    auto send = within(1ms, c.send(std::make_unique<int>(3)));
    CHECK_THROWS_AS(martlet::await(send), deadline_passed);
    REQUIRE(send.inner().value() != nullptr);
    CHECK(*send.inner().value() == 3);
    CHECK(c.balance() == 0);
  }

  TEST_CASE("no time at all still does what can be done at once") {
    channel<int> c(1);
    CHECK_THROWS_AS(martlet::await(within(0s, c.receive())), deadline_passed);
    martlet::await(within(0s, c.send(1)));
    CHECK_THROWS_AS(martlet::await(within(0s, c.send(2))), deadline_passed);
    CHECK(martlet::await(within(0s, c.receive())) == 1);
  }

  TEST_CASE("a join has a limit as a channel has, and can be joined later") {
    scheduler pool(2);
    counter go{0};
    auto slow = pool.spawn([](counter& may) -> task<int> {
      while (may == 0) {
        co_await martlet::sleep_for(1ms);
      }
      co_return 6;
    }(go));
    CHECK_THROWS_AS(martlet::await(within(2ms, slow.join())), deadline_passed);
    auto waiter = pool.spawn([&slow]() -> task<bool> {
      try {
        co_await within(2ms, slow.join());
      } catch (const deadline_passed&) {
        co_return true;
      }
      co_return false;
    });
    CHECK(pool.block_on(std::move(waiter)));
    go = 1;
    CHECK(martlet::await(within(1h, slow.join())) == 6);
  }

  TEST_CASE("a limit against a partner: each value arrives once or stays with its sender") {
    scheduler pool(2);
    tally values;
    const int rounds = scaled(4000);
    counter kept{0}, arrived{0};
    {
      channel<counted> c;
      crew receivers(pool);
      crew senders(pool);
      for (const actor kind : all_actors) {
        receivers.add(
            kind,
            [&]() -> task<> {
              for (;;) {
                try {
                  auto got = co_await within(60us, c.receive());
                  if (!got) {
                    co_return;
                  }
                  ++arrived;
                } catch (const deadline_passed&) {}
              }
            },
            [&] {
              for (;;) {
                try {
                  auto got = martlet::await(within(60us, c.receive()));
                  if (!got) {
                    return;
                  }
                  ++arrived;
                } catch (const deadline_passed&) {}
              }
            });
        senders.add(
            kind,
            [&]() -> task<> {
              for (int i = 0; i < rounds; ++i) {
                auto send = within(std::chrono::microseconds(i % 150), c.send(counted(values, i)));
                try {
                  co_await send;
                } catch (const deadline_passed&) {
                  kept += send.inner().value().value() == i ? 1 : 0;
                }
              }
            },
            [&] {
              for (int i = 0; i < rounds; ++i) {
                auto send = within(std::chrono::microseconds(i % 150), c.send(counted(values, i)));
                try {
                  martlet::await(send);
                } catch (const deadline_passed&) {
                  kept += send.inner().value().value() == i ? 1 : 0;
                }
              }
            });
      }
      senders.join();
      c.close();
    }
    CHECK(kept + arrived == 3 * rounds);
    CHECK(values.is_balanced());
    MESSAGE("kept ", kept.load(), ", arrived ", arrived.load());
  }
}

}  // namespace
