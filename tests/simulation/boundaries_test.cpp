#include <chrono>
#include <string>
#include <thread>

#include <doctest/doctest.h>

#include <martlet/base/futex.hpp>
#include <martlet/channel.hpp>
#include <martlet/scheduler.hpp>

#include "in_child.hpp"
#include "thread_now.hpp"
#include "thrown_by.hpp"

namespace {

using namespace std::chrono_literals;
using martlet::channel;
using martlet::scheduler;
using martlet::simulation;
using martlet::task;
using martlet::testing::in_child;
using martlet::testing::thread_now;
using martlet::testing::thrown_by;

bool says(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

TEST_SUITE("boundaries of a simulation") {
  TEST_CASE("blocking calls its function in place, outside of any tasklet") {
    simulation sim(1);
    const auto here = thread_now();
    CHECK(sim.block_on([](auto own) -> task<bool> {
      co_return co_await martlet::blocking([own] {
        return thread_now() == own && martlet::this_tasklet::id() == martlet::tasklet_id();
      });
    }(here)));
    CHECK(sim.block_on(sim.spawn([] { return martlet::await(martlet::blocking([] { return 5; })); })) == 5);
    CHECK_THROWS_AS(sim.block_on([]() -> task<> {
      co_await martlet::blocking([] { throw std::runtime_error("no such file"); });
    }()),
                    std::runtime_error);
    CHECK(sim.statistics().blocking_threads == 0);
  }

  TEST_CASE("others run while a function given to blocking waits, and a deadlock is told through it") {
    channel<int> numbers;
    simulation sim(1);
    const auto get = [](channel<int>& from) -> task<int> {
      co_return co_await martlet::blocking([&from] { return martlet::await(from.receive()).value_or(-1); });
    };
    auto getter = sim.spawn(get(numbers));
    auto sender = sim.spawn([](channel<int>& to) -> task<> {
      co_await martlet::sleep_for(1h);
      co_await to.send(5);
    }(numbers));
    CHECK(sim.block_on(std::move(getter)) == 5);
    sim.block_on(std::move(sender));
    std::string said;
    try {
      sim.block_on(get(numbers));
    } catch (const martlet::deadlock& e) {
      said = e.what();
    }
    CHECK(says(said, "tasklet 3, spawned at "));
    CHECK(says(said, "is in a function given to blocking"));
  }

  TEST_CASE("a tasklet that holds up the thread stops the program") {
    const auto end = in_child([] {
      simulation sim(1);
      sim.block_on([]() -> task<> {
        const martlet::base::futex_word never{0};
        martlet::base::futex_wait(never, 0);
        co_return;
      }());
    });
    CHECK(end.was_aborted());
    CHECK(end.said("held up the thread that all of them share"));
  }

  TEST_CASE("other threads are refused") {
    simulation sim(1);
    std::string spawned;
    std::string stopped;
    std::string blocked;
    std::thread([&] {
      spawned = thrown_by<martlet::misuse>([&] { sim.spawn([]() -> task<> { co_return; }()); });
      stopped = thrown_by<martlet::misuse>([&] { sim.stop(); });
      blocked = thrown_by<martlet::misuse>([&] { sim.block_on([]() -> task<> { co_return; }()); });
    }).join();
    CHECK(says(spawned, "spawn: a simulation runs on the thread that made it"));
    CHECK(says(stopped, "stop: a simulation runs on the thread that made it"));
    CHECK(says(blocked, "a simulation runs on the thread that made it"));
  }

  TEST_CASE("a thread that makes a simulated tasklet go on stops the program") {
    const auto end = in_child([] {
      channel<int> numbers;
      simulation sim(1);
      auto reader =
          sim.spawn([](channel<int>& from) -> task<> { static_cast<void>(co_await from.receive()); }(numbers));
      sim.block_on([]() -> task<> { co_await martlet::sleep_for(1s); }());
      std::thread([&] {
        int one = 1;
        static_cast<void>(numbers.try_send(one));
      }).join();
    });
    CHECK(end.was_aborted());
    CHECK(end.said("made a simulated tasklet go on"));
  }

  TEST_CASE("a real scheduler on other threads keeps its own time") {
    simulation sim(1);
    sim.block_on([]() -> task<> { co_await martlet::sleep_for(1000h); }());
    std::thread([] {
      scheduler pool(1);
      const auto before = std::chrono::steady_clock::now();
      pool.block_on([]() -> task<> { co_await martlet::sleep_for(1ms); }());
      CHECK(std::chrono::steady_clock::now() - before >= 1ms);
    }).join();
    CHECK(sim.elapsed() >= 1000h);
  }

  TEST_CASE("a child of fork has the system's time, and may make a simulation of its own") {
    simulation sim(1);
    sim.block_on([]() -> task<> { co_await martlet::sleep_for(1000h); }());
    const auto end = in_child([&sim] {
      const auto refused = thrown_by<martlet::misuse>([&] { sim.block_on([]() -> task<> { co_return; }()); });
      {
        scheduler pool(1);
        pool.block_on([]() -> task<> { co_await martlet::sleep_for(1ms); }());
      }
      simulation own(2);
      own.block_on([]() -> task<> { co_await martlet::sleep_for(24h); }());
      ::_exit(says(refused, "make a new one in the child of a fork") && own.elapsed() < 25h ? 3 : 4);
    });
    CHECK(end.exited_with(3));
    sim.block_on([]() -> task<> { co_await martlet::sleep_for(1h); }());
    CHECK(sim.elapsed() >= 1001h);
  }

  TEST_CASE("a second one, one inside a tasklet, and a guest are refused") {
    simulation sim(1);
    CHECK(says(thrown_by<martlet::misuse>([] { simulation another(2); }), "this thread has one already"));
    CHECK(says(thrown_by<martlet::misuse>([&] { const martlet::guest loop(sim); }),
               "guest: a simulation has its own time"));
    const auto make_one = []() -> task<std::string> {
      co_return thrown_by<martlet::misuse>([] { simulation inner(3); });
    };
    CHECK(says(sim.block_on(make_one()), "this thread runs tasklets"));
    CHECK(says(sim.block_on([](scheduler& pool) -> task<std::string> {
      co_return thrown_by<martlet::misuse>([&] { pool.shutdown(1s); });
    }(sim)),
               "shutdown: this thread runs tasklets"));
  }

  TEST_CASE("a worker's start and stop are told, on the thread") {
    int started = 0;
    int stopped = 0;
    const auto here = thread_now();
    {
      simulation sim({}, {.on_worker_start = [&] { started += thread_now() == here ? 1 : 100; },
                          .on_worker_stop = [&] { stopped += thread_now() == here ? 1 : 100; }});
      CHECK(started == 0);
      sim.block_on([]() -> task<> { co_return; }());
      sim.block_on([]() -> task<> { co_return; }());
      CHECK(started == 1);
      CHECK(stopped == 0);
    }
    CHECK(started == 1);
    CHECK(stopped == 1);
  }

  TEST_CASE("the limit on the number of tasklets holds") {
    simulation sim({}, {.most_tasklets = 2});
    auto one = sim.spawn([]() -> task<> { co_await martlet::sleep_for(1h); }());
    auto two = sim.spawn([]() -> task<> { co_await martlet::sleep_for(1h); }());
    CHECK_THROWS_AS(sim.spawn([]() -> task<> { co_return; }()), martlet::overloaded);
    sim.block_on(std::move(one));
    sim.block_on(std::move(two));
    CHECK(sim.block_on([]() -> task<int> { co_return 1; }()) == 1);
  }
}

}  // namespace
