#include <martlet/channel.hpp>

#include <chrono>
#include <optional>
#include <thread>
#include <variant>

#include <doctest/doctest.h>

#include "afterwards.hpp"
#include "counted.hpp"
#include "scale.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::channel;
using martlet::scheduler;
using martlet::task;

TEST_SUITE("faults of memory in channels") {
  TEST_CASE("a channel is made or refused, with a buffer and without") {
    const long count = refuse_memory([](refusal& now, scheduler&) {
      now.refuses([] { channel<int> rendezvous; });
      now.refuses([] { channel<int> buffered(1000); });
      channel<int> afterwards(2);
      martlet::await(afterwards.send(1));
      expect(martlet::await(afterwards.receive()) == 1, "a channel works afterwards");
    });
    CHECK(count > 0);
  }

  TEST_CASE("sending and receiving are never refused, whoever waits") {
    refuse_memory([](refusal& now, scheduler& pool) {
      tally values;
      {
        channel<counted> there(2);
        channel<counted> back;
        const auto echo = [&]() -> task<> {
          while (auto got = co_await there.receive()) {
            co_await back.send(std::move(*got));
          }
        };
        auto tasklet = pool.spawn(echo);
        pool.block_on(pool.spawn([&] {
          const bool is_refused = now.refuses([&] {
            for (int i = 0; i < 5; ++i) {
              martlet::await(there.send(counted(values, i)));
              expect(martlet::await(back.receive())->value() == i, "the value comes back");
            }
          });
          expect(!is_refused, "a fiber is not refused");
        }));
        const bool is_refused = now.refuses([&] {
          martlet::await(there.send(counted(values, 9)));
          expect(martlet::await(back.receive())->value() == 9, "the value comes back to a thread");
        });
        expect(!is_refused, "a thread is not refused");
        there.close();
        pool.block_on(std::move(tasklet));
      }
      expect(values.is_balanced(), "every value is destroyed once");
    });
  }

  TEST_CASE("of values that are sent while memory fails each arrives or stays with its sender") {
    const long count = refuse_memory([](refusal& now, scheduler& pool) {
      tally values;
      int offered = 0;
      int kept = 0;
      int arrived = 0;
      bool is_refused = false;
      pool.block_on(pool.spawn([&] {
        is_refused = now.refuses([&] {
          channel<counted> between(1);
          martlet::scope all;
          all.spawn([&]() -> task<> {
            while (auto got = co_await between.receive()) {
              ++arrived;
            }
          });
          const auto send_all = [&] {
            for (int i = 0; i < 6; ++i) {
              ++offered;
              auto send = martlet::within(5s, between.send(counted(values, i)));
              try {
                martlet::await(send);
              } catch (...) {
                kept += send.inner().value().value() == i ? 1 : 0;
                throw;
              }
            }
          };
          try {
            all.spawn(send_all);
            send_all();
          } catch (...) {
            between.close();
            throw;
          }
          while (arrived < 12) {
            martlet::await(martlet::yield());
          }
          between.close();
          all.join();
        });
      }));
      expect(values.is_balanced(), "every value is destroyed once");
      const int in_the_buffer = offered - kept - arrived;
      expect(in_the_buffer == 0 || in_the_buffer == 1, "each arrives, is with its sender, or dies with the channel");
      expect(is_refused || arrived == 12, "all arrive when nothing is refused");
    });
    CHECK(count > 0);
  }

  TEST_CASE("a select chooses, whatever memory there is") {
    const long count = refuse_memory([](refusal& now, scheduler& pool) {
      tally values;
      int got = 0;
      bool is_refused = false;
      {
        channel<counted> one;
        channel<counted> other;
        pool.block_on(pool.spawn([&] {
          is_refused = now.refuses([&] {
            martlet::scope all;
            all.spawn([&] {
              martlet::await(martlet::select(one.send(counted(values, 1)), other.send(counted(values, 2))));
            });
            const auto first = martlet::await(martlet::select(other.receive(), one.receive(), martlet::sleep_for(60s)));
            got = first.index() == 0   ? std::get<0>(first)->value()
                  : first.index() == 1 ? std::get<1>(first)->value()
                                       : 3;
            all.join();
          });
        }));
        expect(is_refused ? got == 0 : got == 1 || got == 2, "it was refused, or has chosen a value");
        expect(one.balance() == 0 && other.balance() == 0, "nobody waits any more");
      }
      expect(values.is_balanced(), "every value is destroyed once");
    });
    CHECK(count > 0);
  }
}

}  // namespace
