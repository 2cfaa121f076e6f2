#include <martlet/channel/select.hpp>

#include <memory>
#include <utility>

#include <doctest/doctest.h>

#include "crosswise.hpp"
#include "scale.hpp"

namespace {

using namespace martlet::testing;
using martlet::channel;
using martlet::scheduler;
using martlet::task;

TEST_SUITE("select under race") {
  TEST_CASE("no message is lost or doubled, whoever wins: partner, limit, cancel or close") {
    for (const int workers : {1, 2, 4}) {
      for (const std::size_t room : {0U, 3U}) {
        CAPTURE(workers);
        CAPTURE(room);
        scheduler pool(workers);
        crosswise traffic(pool, room, 2, scaled(1500));
        const auto result = traffic.run();
        CHECK(result.offered == result.kept + result.arrived);
        CHECK(result.is_balanced);
      }
    }
  }

  TEST_CASE("a cancel against a partner: the value is the receiver's or still the sender's") {
    scheduler pool(2);
    tally values;
    long got = 0;
    long kept = 0;
    const int rounds = scaled(20'000);
    for (int i = 0; i < rounds; ++i) {
      channel<counted> c;
      auto receiver = pool.spawn([](channel<counted>& in) -> task<int> {
        try {
          co_return (co_await in.receive())->value();
        } catch (const martlet::cancelled&) {}
        co_return -1;
      }(c));
      auto sender = pool.spawn([](channel<counted>& out, tally& all, int n) -> task<int> {
        auto send = out.send(counted(all, n));
        try {
          co_await send;
        } catch (const martlet::channel_closed&) {
          co_return send.value().value();
        }
        co_return -1;
      }(c, values, i));
      for (int pause = 0; pause < i % 400; ++pause) {
        martlet::base::cpu_pause();
      }
      receiver.cancel();
      const int received = pool.block_on(std::move(receiver));
      c.close();
      const int left = pool.block_on(std::move(sender));
      got += received == i && left == -1 ? 1 : 0;
      kept += received == -1 && left == i ? 1 : 0;
    }
    CHECK(got + kept == rounds);
    CHECK(values.is_balanced());
    MESSAGE("received ", got, ", kept ", kept);
  }

  TEST_CASE("a cancelled wait in a channel that dies at the same moment is safe") {
    scheduler pool(2);
    const int rounds = scaled(20'000);
    int ended = 0;
    for (int i = 0; i < rounds; ++i) {
      auto c = std::make_unique<channel<int>>();
      auto h = pool.spawn([](channel<int>& in) -> task<> { co_await in.receive(); }(*c));
      auto closes = pool.spawn([](std::unique_ptr<channel<int>> gone, martlet::handle<> of) -> task<> {
        gone->close();
        try {
          co_await of.join();
        } catch (const martlet::cancelled&) {}
        gone.reset();
        channel<long> takes_its_place;
      }(std::move(c), [&] {
                                 h.cancel();
                                 return std::move(h);
                               }()));
      pool.block_on(std::move(closes));
      ++ended;
    }
    CHECK(ended == rounds);
  }
}

}  // namespace
