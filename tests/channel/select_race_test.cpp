#include <martlet/channel/select.hpp>

#include <chrono>
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

// What nobody completes.
struct never : martlet::detail::wait_core {
  martlet::detail::wait_list waiters;
};

// A wait for that, which stops its scope after a select has looked whether its tasklet is cancelled, and before the select
// says that it waits.
class stops_its_scope final : public martlet::detail::case_operation<stops_its_scope> {
 public:
  stops_its_scope(never& in, martlet::scope& stopped) noexcept : in_(&in), stopped_(&stopped) {}

  martlet::detail::wait_core& core() noexcept { return *in_; }
  bool try_now(martlet::detail::tasklet*&) noexcept {
    stopped_->cancel();
    return false;
  }
  void link() noexcept { in_->waiters.push_back(*this); }
  void unlink() noexcept { martlet::detail::wait_list::unlink(*this); }
  void result() const noexcept {}

 private:
  never* in_;
  martlet::scope* stopped_;
};

TEST_SUITE("select under race") {
  TEST_CASE("a cancel that comes while it enters its cases ends it") {
    scheduler pool(1);
    never nothing;
    channel<int> c;
    const auto run = [&](auto make) {
      const auto as_coroutine = [&]() -> task<> {
        co_await martlet::in_scope([&](martlet::scope& in) -> task<> { static_cast<void>(co_await make(in)); });
      };
      CHECK_THROWS_AS(pool.block_on(as_coroutine()), martlet::cancelled);
      const auto as_fiber = [&] {
        martlet::in_scope([&](martlet::scope& in) { static_cast<void>(martlet::await(make(in))); });
      };
      CHECK_THROWS_AS(pool.block_on(pool.spawn(as_fiber)), martlet::cancelled);
    };
    run([&](martlet::scope& in) {
      return martlet::select(stops_its_scope(nothing, in), c.receive(), martlet::sleep_for(std::chrono::seconds(2)));
    });
    run([&](martlet::scope& in) { return martlet::within(std::chrono::seconds(2), stops_its_scope(nothing, in)); });
    CHECK(c.balance() == 0);
  }

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
