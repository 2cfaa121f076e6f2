#include <martlet/channel.hpp>

#include <thread>

#include <unistd.h>

#include <doctest/doctest.h>

#include <martlet/scheduler.hpp>

#include "burst.hpp"
#include "in_child.hpp"
#include "little_memory.hpp"

namespace {

using namespace martlet::testing;
using martlet::channel;
using martlet::scheduler;
using martlet::task;

using counter = martlet::base::atomic<int>;

task<> waits(channel<int>& in, counter& ended) {
  co_await in.receive();
  co_await martlet::yield();
  ++ended;
}

TEST_SUITE("memory") {
  TEST_CASE("ten seconds after a burst of stackless tasklets their memory has gone back") {
    check_memory_returns(by_level(10'000, 100'000), false);
  }

  TEST_CASE("so has that of stackful ones") { check_memory_returns(fibers(by_level(10'000, 100'000)), true); }

  TEST_CASE("who is woken or yields needs no memory") {
    if constexpr (is_watched) {
      return;  // sanitizers need terabytes
    }
    for (const bool from_outside : {false, true}) {
      CAPTURE(from_outside);
      const auto end = in_child([from_outside] {
        constexpr int count = 200'000;  // far more than the queues have room for at first
        scheduler pool(2);
        channel<int> c;
        counter go{0}, ended{0};
        pool.block_on([](channel<int>& in, counter& n) -> task<> {
          for (int i = 0; i < count; ++i) {
            martlet::spawn(waits(in, n));
            if (i % 64 == 0) {
              co_await martlet::yield();  // or the queues would grow here
            }
          }
        }(c, ended));
        auto waker = pool.spawn([&] {
          while (go.load() == 0) {
            martlet::await(martlet::yield());
          }
          if (!from_outside) {
            c.close();
          }
        });
        while (c.balance() != -count) {
          std::this_thread::yield();
        }
        eat_all();
        go = 1;
        if (from_outside) {
          c.close();
        }
        while (ended != count) {
          ::usleep(1000);
        }
        ::_exit(42);
      });
      CAPTURE(end.errors);
      CAPTURE(end.status);
      CHECK(end.exited_with(42));
    }
  }
}

}  // namespace
