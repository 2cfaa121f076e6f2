#include <chrono>
#include <cstdint>
#include <utility>

#include <doctest/doctest.h>

#include <martlet/channel.hpp>
#include <martlet/scheduler.hpp>

#include "frames_in_use.hpp"
#include "scale.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::channel;
using martlet::simulation;
using martlet::task;

// A service with what is typical of one that stays up: sessions that come and go, requests with limits, a pool of few
// workers, heartbeats, a cache that expires, and a clock that rings each hour.
struct service {
  struct request {
    int work_ms;
    channel<int>* reply;
  };

  channel<request> requests{16};
  channel<bool> closing;
  martlet::semaphore connections{4};
  martlet::mutex cache_lock;
  std::uint64_t answered = 0;
  std::uint64_t timed_out = 0;
  std::uint64_t beats = 0;
  std::uint64_t expired = 0;
  int cached = 0;
  int hours = 0;
};

task<> work(service& its) {
  while (auto next = co_await its.requests.receive()) {
    const auto connection = co_await its.connections.acquire();
    co_await martlet::sleep_for(std::chrono::milliseconds(next->work_ms));
    int answer = next->work_ms;
    static_cast<void>(next->reply->try_send(answer));  // who asked may have gone
    const auto guard = co_await its.cache_lock.acquire();
    ++its.cached;
  }
}

task<> ask(service& its, int number) {
  channel<int> reply(1);
  service::request mine{.work_ms = number % 7 == 0 ? 900 : 20, .reply = &reply};
  co_await its.requests.send(mine);
  const auto first = co_await martlet::select(reply.receive(), martlet::sleep_for(500ms));
  if (first.index() == 0) {
    ++its.answered;
  } else {
    ++its.timed_out;
    static_cast<void>(co_await reply.receive());  // the worker has it still
  }
}

// A session asks three times and is gone; a new one comes each second.
task<> sessions(service& its, std::chrono::seconds for_how_long) {
  co_await martlet::in_scope([&](martlet::scope& all) -> task<> {
    for (std::int64_t second = 0; second < for_how_long.count(); ++second) {
      co_await martlet::sleep_for(1s);
      all.spawn([](service& at, int first) -> task<> {
        for (int i = 0; i < 3; ++i) {
          co_await ask(at, first + i);
        }
      }(its, static_cast<int>(second)));
    }
  });
  its.requests.close();
  its.closing.close();
}

task<> beat(service& its) {
  for (;;) {
    auto first = co_await martlet::select(its.closing.receive(), martlet::sleep_for(10s));
    if (first.index() == 0) {
      co_return;
    }
    ++its.beats;
  }
}

task<> expire(service& its) {
  for (;;) {
    auto first = co_await martlet::select(its.closing.receive(), martlet::sleep_for(5min));
    if (first.index() == 0) {
      co_return;
    }
    const auto guard = co_await its.cache_lock.acquire();
    its.expired += static_cast<std::uint64_t>(std::exchange(its.cached, 0));
  }
}

void ring(service& its, int hours) {
  for (int hour = 0; hour < hours; ++hour) {
    martlet::await(martlet::sleep_for(1h));
    ++its.hours;
  }
}

TEST_SUITE("a day in virtual time") {
  TEST_CASE("a service stays well for a day: nothing is late, lost or kept") {
    const int hours = is_watched ? 2 : test_level() == level::quick ? 24 : 24 * 7;
    const auto live_through = [](std::uint64_t seed, int length) {
      service its;
      simulation sim(martlet::simulation_options{.seed = seed, .most_steps = 1'000'000'000});
      const auto day = std::chrono::hours(length);
      martlet::scope all(sim);
      for (int i = 0; i < 3; ++i) {
        all.spawn(work(its));
      }
      for (int i = 0; i < 5; ++i) {
        all.spawn(beat(its));
      }
      all.spawn(expire(its));
      all.spawn([&] { ring(its, length); });
      all.spawn(sessions(its, day));
      all.join();
      CHECK(its.hours == length);
      const auto asked = static_cast<std::uint64_t>(std::chrono::seconds(day).count()) * 3;
      CHECK(its.answered + its.timed_out == asked);
      CHECK(its.timed_out * 7 >= asked - 7);  // each seventh takes too long
      CHECK(its.timed_out * 5 < asked);
      CHECK(its.beats >= 5 * (static_cast<std::uint64_t>(std::chrono::seconds(day).count()) / 10 - 1));
      CHECK(its.expired + static_cast<std::uint64_t>(its.cached) == asked);
      CHECK(sim.elapsed() >= day);
      CHECK(sim.elapsed() < day + 1min);
      return sim.hash();
    };
    const std::uint64_t first = live_through(1, 1);  // fills the caches of frames
    const std::size_t before = frames_in_use();
    CHECK(live_through(1, 1) == first);
    live_through(2, hours);
    CHECK(frames_in_use() == before);
  }
}

}  // namespace
