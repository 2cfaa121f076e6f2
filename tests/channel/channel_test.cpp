#include <martlet/channel/channel.hpp>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <martlet/channel.hpp>

#include "crew.hpp"
#include "eventually.hpp"
#include "in_child.hpp"
#include "scale.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::channel;
using martlet::scheduler;
using martlet::task;
using martlet::try_status;

task<int> sum(channel<int>& numbers) {
  int total = 0;
  while (auto n = co_await numbers.receive()) {
    total += *n;
  }
  co_return total;
}

TEST_SUITE("channel") {
  TEST_CASE("both kinds meet in one channel") {
    scheduler pool;
    channel<int> numbers;
    auto total = pool.spawn(sum(numbers));
    pool.spawn([&] {
      for (int i = 0; i < 10; ++i) {
        martlet::await(numbers.send(i));
      }
      numbers.close();
    });
    CHECK(pool.block_on(std::move(total)) == 45);
  }

  TEST_CASE("without room a send waits for its receiver") {
    scheduler pool(2);
    channel<int> c;
    CHECK(c.capacity() == 0);
    auto sender = pool.spawn([](channel<int>& out) -> task<> { co_await out.send(1); }(c));
    CHECK(eventually([&] { return c.balance() == 1; }));
    CHECK(sender.state() == martlet::status::blocked);
    CHECK(*martlet::await(c.receive()) == 1);
    martlet::await(sender.join());
    CHECK(c.balance() == 0);
  }

  TEST_CASE("with room a send waits only when it is full") {
    channel<int> c(3);
    for (int i = 0; i < 3; ++i) {
      martlet::await(c.send(i));
    }
    CHECK(c.capacity() == 3);
    CHECK(c.balance() == 3);
    scheduler pool(1);
    auto fourth = pool.spawn([&] { martlet::await(c.send(3)); });
    CHECK(eventually([&] { return c.balance() == 4; }));
    for (int i = 0; i < 4; ++i) {
      CHECK(*martlet::await(c.receive()) == i);
    }
    martlet::await(fourth.join());
  }

  TEST_CASE("the balance counts receivers that wait as negative") {
    scheduler pool(2);
    channel<int> c(2);
    crew all(pool);
    for (const actor kind : all_actors) {
      const auto receive = [&c] { CHECK(martlet::await(c.receive()) == 7); };
      all.add(kind, [&c]() -> task<> { CHECK(co_await c.receive() == 7); }, receive);
    }
    CHECK(eventually([&] { return c.balance() == -3; }));
    for (int i = 0; i < 3; ++i) {
      martlet::await(c.send(7));
    }
    all.join();
    CHECK(c.balance() == 0);
  }

  TEST_CASE("receivers are served in the order in which they came, whatever they are") {
    scheduler pool(2);
    channel<int> c;
    std::vector<int> got(6);
    crew all(pool);
    for (int turn = 0; turn < 6; ++turn) {
      all.add(
          all_actors[turn % 3], [&, turn]() -> task<> { got[static_cast<std::size_t>(turn)] = *co_await c.receive(); },
          [&, turn] { got[static_cast<std::size_t>(turn)] = *martlet::await(c.receive()); });
      REQUIRE(eventually([&] { return c.balance() == -(turn + 1); }));
    }
    for (int i = 0; i < 6; ++i) {
      martlet::await(c.send(i));
    }
    all.join();
    CHECK(got == std::vector<int>{0, 1, 2, 3, 4, 5});
  }

  TEST_CASE("senders are served in the order in which they came, after what is in the buffer") {
    for (const std::size_t room : {0U, 2U}) {
      scheduler pool(2);
      channel<int> c(room);
      crew all(pool);
      for (int turn = 0; turn < 6; ++turn) {
        all.add(
            all_actors[turn % 3], [&, turn]() -> task<> { co_await c.send(turn); },
            [&, turn] { martlet::await(c.send(turn)); });
        REQUIRE(eventually([&] { return c.balance() == turn + 1; }));
      }
      for (int i = 0; i < 6; ++i) {
        CHECK(*martlet::await(c.receive()) == i);
      }
    }
  }

  TEST_CASE("close wakes every receiver and every sender that waits") {
    for (const bool is_sending : {false, true}) {
      scheduler pool(2);
      channel<int> c;
      martlet::base::atomic<int> ended{0};
      {
        crew all(pool);
        for (int i = 0; i < 9; ++i) {
          const auto blocking = [&, i] {
            if (is_sending) {
              try {
                martlet::await(c.send(i));
              } catch (const martlet::channel_closed&) {
                ++ended;
              }
            } else {
              ended += martlet::await(c.receive()).has_value() ? 0 : 1;
            }
          };
          const auto stackless = [&, i]() -> task<> {
            if (is_sending) {
              try {
                co_await c.send(i);
              } catch (const martlet::channel_closed&) {
                ++ended;
              }
            } else {
              ended += (co_await c.receive()).has_value() ? 0 : 1;
            }
          };
          all.add(all_actors[i % 3], stackless, blocking);
        }
        REQUIRE(eventually([&] { return c.balance() == (is_sending ? 9 : -9); }));
        CHECK(!c.is_closed());
        c.close();
      }
      CHECK(ended == 9);
      CHECK(c.is_closed());
      CHECK(c.balance() == 0);
      c.close();
    }
  }

  TEST_CASE("after a close the buffer is emptied first, then there is nothing") {
    channel<int> c(2);
    martlet::await(c.send(1));
    martlet::await(c.send(2));
    c.close();
    CHECK_THROWS_AS(martlet::await(c.send(3)), martlet::channel_closed);
    CHECK(martlet::await(c.receive()) == 1);
    CHECK(martlet::await(c.receive()) == 2);
    CHECK(!martlet::await(c.receive()).has_value());
    CHECK(!martlet::await(c.receive()).has_value());
  }

  TEST_CASE("a value that was refused is still in the operation") {
    channel<std::unique_ptr<int>> c;
    c.close();
    auto send = c.send(std::make_unique<int>(5));
    CHECK_THROWS_AS(martlet::await(send), martlet::channel_closed);
    REQUIRE(send.value() != nullptr);
    CHECK(*send.value() == 5);
    scheduler pool(1);
    channel<std::unique_ptr<int>> later;
    auto waiting = pool.spawn([&later]() -> task<int> {
      auto op = later.send(std::make_unique<int>(6));
      try {
        co_await op;
      } catch (const martlet::channel_closed&) {}
      co_return op.value() == nullptr ? -1 : *op.value();
    });
    REQUIRE(eventually([&] { return later.balance() == 1; }));
    later.close();
    CHECK(pool.block_on(std::move(waiting)) == 6);
  }

  TEST_CASE("iterating ends when it is closed and empty, in fibers and on threads") {
    scheduler pool(2);
    for (const bool on_thread : {false, true}) {
      channel<std::string> lines(1);
      pool.spawn([](channel<std::string>& out) -> task<> {
        for (int i = 0; i < 5; ++i) {
          co_await out.send(std::to_string(i));
        }
        out.close();
      }(lines));
      const auto read = [&lines] {
        std::string all;
        for (std::string& line : lines) {
          all += line;
        }
        return all;
      };
      CHECK((on_thread ? read() : pool.block_on(pool.spawn(read))) == "01234");
    }
  }

  TEST_CASE("what moves only passes, and what is left is destroyed with the channel") {
    const auto shared = std::make_shared<int>(1);
    struct only_moves {
      std::unique_ptr<int> own;
      std::shared_ptr<int> seen;
    };
    {
      scheduler pool(2);
      channel<only_moves> c(4);
      auto back = pool.spawn([&c]() -> task<int> { co_return *(co_await c.receive())->own; });
      martlet::await(c.send({std::make_unique<int>(3), shared}));
      CHECK(pool.block_on(std::move(back)) == 3);
      for (int i = 0; i < 3; ++i) {
        martlet::await(c.send({nullptr, shared}));
      }
      CHECK(shared.use_count() == 4);
    }
    CHECK(shared.use_count() == 1);
  }

  TEST_CASE("a scheduler's end cancels those that wait in channels and selects, and takes their waits back") {
    channel<int> empty;
    channel<int> full(1);
    int value = 1;
    REQUIRE(full.try_send(value) == try_status::done);
    martlet::base::atomic<int> cancelled{0};
    const int each = 50;
    {
      scheduler pool(2);
      const auto counts = [&cancelled](auto wait) {
        try {
          wait();
        } catch (const martlet::cancelled&) {
          ++cancelled;
          throw;
        }
      };
      for (int i = 0; i < each; ++i) {
        pool.spawn([counts, &empty] { counts([&] { martlet::await(empty.receive()); }); });
        pool.spawn([counts, &full] { counts([&] { martlet::await(full.send(2)); }); });
        pool.spawn([counts, &empty, &full] {
          counts([&] { martlet::await(martlet::select(empty.receive(), full.send(3))); });
        });
        pool.spawn([](channel<int>& in, martlet::base::atomic<int>& n) -> task<> {
          try {
            co_await martlet::select(in.receive(), martlet::sleep_for(std::chrono::hours(1)));
          } catch (const martlet::cancelled&) {
            ++n;
            throw;
          }
        }(empty, cancelled));
      }
      while (empty.balance() > -3 * each || full.balance() < 1 + 2 * each) {
        std::this_thread::yield();
      }
    }
    CHECK(cancelled == 4 * each);
    CHECK(empty.balance() == 0);
    CHECK(full.balance() == 1);
  }

  TEST_CASE("destroying it while somebody waits stops the program") {
    for (const bool is_sending : {false, true}) {
      const auto end = in_child([is_sending] {
        scheduler pool(1);
        auto c = std::make_unique<channel<int>>();
        pool.spawn([](channel<int>& in, bool sends) -> task<> {
          if (sends) {
            co_await in.send(1);
          } else {
            co_await in.receive();
          }
        }(*c, is_sending));
        while (c->balance() == 0) {
          std::this_thread::yield();
        }
        c.reset();
      });
      CHECK(end.was_aborted());
      CHECK(end.said("a channel was destroyed while 1 tasklets waited in it"));
    }
  }
}

TEST_SUITE("try_") {
  TEST_CASE("try_send leaves the value with the caller unless it was sent") {
    channel<std::unique_ptr<int>> c(1);
    auto value = std::make_unique<int>(1);
    CHECK(c.try_send(value) == try_status::done);
    CHECK(value == nullptr);
    value = std::make_unique<int>(2);
    CHECK(c.try_send(value) == try_status::would_wait);
    CHECK(*value == 2);
    c.close();
    CHECK(c.try_send(value) == try_status::closed);
    CHECK(*value == 2);
  }

  TEST_CASE("try_receive takes what is there, and tells empty from closed") {
    channel<int> c(1);
    int into = -1;
    CHECK(c.try_receive(into) == try_status::would_wait);
    CHECK(into == -1);
    martlet::await(c.send(4));
    CHECK(c.try_receive(into) == try_status::done);
    CHECK(into == 4);
    martlet::await(c.send(5));
    c.close();
    CHECK(c.try_receive(into) == try_status::done);
    CHECK(c.try_receive(into) == try_status::closed);
    CHECK(into == 5);
  }

  TEST_CASE("they meet those that wait") {
    scheduler pool(2);
    channel<int> c;
    int value = 8;
    CHECK(c.try_send(value) == try_status::would_wait);
    auto receiver = pool.spawn([&c]() -> task<int> { co_return *co_await c.receive(); });
    REQUIRE(eventually([&] { return c.balance() == -1; }));
    CHECK(c.try_send(value) == try_status::done);
    CHECK(pool.block_on(std::move(receiver)) == 8);
    auto sender = pool.spawn([&c] { martlet::await(c.send(9)); });
    REQUIRE(eventually([&] { return c.balance() == 1; }));
    CHECK(c.try_receive(value) == try_status::done);
    CHECK(value == 9);
    martlet::await(sender.join());
  }
}

}  // namespace
