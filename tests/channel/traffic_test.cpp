#include <martlet/channel.hpp>

#include <memory>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "counted.hpp"
#include "crew.hpp"
#include "eventually.hpp"
#include "scale.hpp"
#include "thread_now.hpp"

namespace {

using namespace martlet::testing;
using martlet::channel;
using martlet::scheduler;
using martlet::task;
using seen_times = std::vector<martlet::base::atomic<std::uint8_t>>;

void add_sender(crew& all, actor kind, channel<counted>& out, tally& values, int from, int count) {
  all.add(
      kind,
      [&out, &values, from, count]() -> task<> {
        for (int i = from; i < from + count; ++i) {
          co_await out.send(counted(values, i));
        }
      },
      [&out, &values, from, count] {
        for (int i = from; i < from + count; ++i) {
          martlet::await(out.send(counted(values, i)));
        }
      });
}

void add_receiver(crew& all, actor kind, channel<counted>& in, seen_times& seen) {
  all.add(
      kind,
      [&in, &seen]() -> task<> {
        while (auto got = co_await in.receive()) {
          ++seen[static_cast<std::size_t>(got->value())];
        }
      },
      [&in, &seen] {
        for (counted& got : in) {
          ++seen[static_cast<std::size_t>(got.value())];
        }
      });
}

// Every sort of sender against every sort of receiver; each value has to arrive once.
void cross(unsigned workers, std::size_t room, const std::vector<actor>& from, const std::vector<actor>& to, int each) {
  scheduler pool(static_cast<int>(workers));
  tally values;
  seen_times seen(from.size() * static_cast<std::size_t>(each));
  {
    channel<counted> c(room);
    crew receivers(pool);
    for (const actor kind : to) {
      add_receiver(receivers, kind, c, seen);
    }
    {
      crew senders(pool);
      int first = 0;
      for (const actor kind : from) {
        add_sender(senders, kind, c, values, first, each);
        first += each;
      }
    }
    c.close();
  }
  int wrong = 0;
  for (const auto& times : seen) {
    wrong += times == 1 ? 0 : 1;
  }
  CHECK(wrong == 0);
  CHECK(values.is_balanced());
}

TEST_SUITE("traffic") {
  TEST_CASE("each kind sends to each kind, with and without room") {
    for (const actor sender : all_actors) {
      for (const actor receiver : all_actors) {
        const bool is_slow = sender == actor::thread || receiver == actor::thread;
        for (const std::size_t room : {0U, 1U, 64U}) {
          cross(2, room, {sender}, {receiver}, scaled(is_slow ? 3000 : 30'000));
        }
      }
    }
  }

  TEST_CASE("many of all kinds share one channel, on any number of workers") {
    const std::vector<actor> mixed = {actor::coroutine, actor::fiber, actor::thread,
                                      actor::coroutine, actor::fiber, actor::thread};
    for (const unsigned workers : {1U, 2U, 4U}) {
      for (const std::size_t room : {0U, 5U}) {
        cross(workers, room, mixed, mixed, scaled(4000));
      }
    }
  }

  TEST_CASE("between two tasklets the order is kept") {
    for (const std::size_t room : {0U, 3U}) {
      scheduler pool(2);
      channel<int> c(room);
      auto in_order = pool.spawn([](channel<int>& in) -> task<bool> {
        int expected = 0;
        while (auto n = co_await in.receive()) {
          if (*n != expected++) {
            co_return false;
          }
        }
        co_return true;
      }(c));
      for (int i = 0; i < scaled(5000); ++i) {
        martlet::await(c.send(i));
      }
      c.close();
      CHECK(pool.block_on(std::move(in_order)));
    }
  }

  TEST_CASE("schedulers share a channel, and each tasklet is woken by its own") {
    channel<int> there;
    channel<int> back;
    martlet::base::atomic<int> strays{0};
    scheduler one(1);
    scheduler two(1);
    const auto id_of = [](scheduler& pool) { return pool.block_on(pool.spawn([] { return thread_now(); })); };
    const auto first = id_of(one);
    const auto second = id_of(two);
    const int rounds = scaled(3000);
    auto echo = two.spawn([](channel<int>& in, channel<int>& out, std::thread::id home,
                             martlet::base::atomic<int>& stray) -> task<> {
      while (auto n = co_await in.receive()) {
        stray += thread_now() == home ? 0 : 1;
        co_await out.send(*n + 1);
        stray += thread_now() == home ? 0 : 1;
      }
    }(there, back, second, strays));
    const int sum = one.block_on(one.spawn([&] {
      int total = 0;
      for (int i = 0; i < rounds; ++i) {
        martlet::await(there.send(i));
        strays += thread_now() == first ? 0 : 1;
        total += *martlet::await(back.receive()) - i;
        strays += thread_now() == first ? 0 : 1;
      }
      there.close();
      return total;
    }));
    two.block_on(std::move(echo));
    CHECK(sum == rounds);
    CHECK(strays == 0);
  }

  TEST_CASE("a channel may be destroyed as soon as its last value has arrived") {
    scheduler pool(2);
    const int rounds = scaled(20'000);
    for (int i = 0; i < rounds; ++i) {
      auto c = std::make_unique<channel<int>>();
      auto sender = pool.spawn([](channel<int>& out) -> task<> { co_await out.send(1); }(*c));
      auto receiver = pool.spawn([](std::unique_ptr<channel<int>> in) -> task<int> {
        const auto got = co_await in->receive();
        in.reset();  // while the sender may still be on its way back
        co_return *got;
      }(std::move(c)));
      REQUIRE(pool.block_on(std::move(receiver)) == 1);
      pool.block_on(std::move(sender));
    }
  }

  TEST_CASE("a scheduler may end while a thread that woke its last tasklet is on its way back") {
    const int rounds = scaled(1000);
    for (int i = 0; i < rounds; ++i) {
      channel<int> c;
      std::thread sender([&c] { martlet::await(c.send(1)); });
      {
        scheduler pool(1);
        REQUIRE(pool.block_on([](channel<int>& in) -> task<int> { co_return *co_await in.receive(); }(c)) == 1);
      }
      sender.join();
    }
  }
}

}  // namespace
