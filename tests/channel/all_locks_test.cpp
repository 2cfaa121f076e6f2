// All that synchronises at once, by tasklets and threads that give up now and then.
#include <martlet/channel.hpp>

#include <chrono>
#include <mutex>
#include <random>
#include <shared_mutex>
#include <vector>

#include <doctest/doctest.h>

#include <martlet/scheduler.hpp>

#include "crew.hpp"
#include "scale.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::await;
using martlet::scheduler;
using martlet::task;

// What everybody wants, and who is inside.
struct town {
  martlet::mutex mutex;
  martlet::recursive_mutex recursive;
  martlet::shared_mutex shared;
  martlet::semaphore units{3};
  martlet::mutex queue_door;
  martlet::condition queue_changed;
  martlet::event event;
  long queued = 0;       // under queue_door
  int in_mutex = 0;      // under mutex
  int in_recursive = 0;  // under recursive
  int writers = 0;       // under shared
  martlet::base::atomic<int> readers{0};
  martlet::base::atomic<int> holders{0};
  martlet::base::atomic<long> wrong{0};
  martlet::base::atomic<long> done{0};
  martlet::base::atomic<long> given_up{0};

  void require(bool holds) {
    if (!holds) {
      ++wrong;
    }
  }
};

// Counted for as long as it lives, also when a cancel ends that.
template <class Count>
class inside {
 public:
  explicit inside(Count& in, int weight = 1) : in_(in), weight_(weight), now(in += weight) {}
  inside(const inside&) = delete;
  inside& operator=(const inside&) = delete;
  ~inside() { in_ -= weight_; }

 private:
  Count& in_;
  int weight_;

 public:
  const int now;
};

martlet::deadline some_limit(std::minstd_rand& random) {
  return random() % 4 == 0 ? martlet::deadline() : std::chrono::microseconds(random() % 300);
}

task<> visit(town& in, std::minstd_rand& random) {
  const auto limit = some_limit(random);
  const bool stays = random() % 4 == 0;
  switch (random() % 7) {
    case 0: {
      const auto held = co_await martlet::within(limit, in.mutex.acquire());
      const inside me(in.in_mutex);
      in.require(me.now == 1);
      if (stays) {
        co_await martlet::yield();
      }
      break;
    }
    case 1: {
      const auto outer = co_await martlet::within(limit, in.recursive.acquire());
      const auto inner = co_await in.recursive.acquire();
      const inside me(in.in_recursive);
      in.require(me.now == 1);
      break;
    }
    case 2: {
      const auto held = co_await martlet::within(limit, in.shared.acquire());
      const inside me(in.writers);
      in.require(me.now == 1 && in.readers == 0);
      break;
    }
    case 3: {
      const auto held = co_await martlet::within(limit, in.shared.acquire_shared());
      const inside me(in.readers);
      in.require(in.writers == 0);
      if (stays) {
        co_await martlet::sleep_for(20us);
      }
      break;
    }
    case 4: {
      const auto count = 1 + random() % 3;
      const auto held = co_await martlet::within(limit, in.units.acquire(count));
      const inside me(in.holders, static_cast<int>(count));
      in.require(me.now <= 3);
      break;
    }
    case 5: {
      auto held = co_await in.queue_door.acquire();
      if (stays || in.queued > 0) {
        ++in.queued;
        in.queue_changed.notify_one();
      } else {
        const bool holds = co_await in.queue_changed.wait_for(held, 200us, [&in] { return in.queued > 0; });
        in.queued -= holds ? 1 : 0;
      }
      break;
    }
    case 6: {
      if (stays) {
        in.event.set();
        in.event.reset();
      } else {
        co_await martlet::within(200us, in.event.wait());
      }
      break;
    }
    default: break;
  }
}

task<> live(town& in, unsigned seed, int visits) {
  std::minstd_rand random(seed);
  for (int i = 0; i < visits; ++i) {
    try {
      co_await visit(in, random);
      ++in.done;
    } catch (const martlet::deadline_passed&) {
      ++in.given_up;
    }
  }
}

void live_blocking(town& in, unsigned seed, int visits) {
  std::minstd_rand random(seed);
  for (int i = 0; i < visits; ++i) {
    try {
      const auto limit = some_limit(random);
      switch (random() % 4) {
        case 0: {
          const auto held = await(martlet::within(limit, in.mutex.acquire()));
          const inside me(in.in_mutex);
          in.require(me.now == 1);
          break;
        }
        case 1: {
          const std::shared_lock held(in.shared);
          const inside me(in.readers);
          in.require(in.writers == 0);
          break;
        }
        case 2: {
          const auto held = await(martlet::within(limit, in.units.acquire(2)));
          const inside me(in.holders, 2);
          in.require(me.now <= 3);
          break;
        }
        default: {
          std::unique_lock held(in.queue_door);
          if (random() % 2 == 0) {
            ++in.queued;
            in.queue_changed.notify_all();
          } else {
            in.queued -= await(in.queue_changed.wait_for(held, 100us, [&in] { return in.queued > 0; })) ? 1 : 0;
          }
          break;
        }
      }
      ++in.done;
    } catch (const martlet::deadline_passed&) {
      ++in.given_up;
    }
  }
}

TEST_SUITE("all locks") {
  TEST_CASE("used together by all kinds, with limits, each keeps what it promises and is free in the end") {
    for (const int workers : {1, 2, 4}) {
      CAPTURE(workers);
      scheduler pool(workers);
      town in;
      const int visits = by_level(1500, 40'000);
      {
        crew all(pool);
        for (unsigned i = 0; i < 24; ++i) {
          all.add(
              all_actors[i % 8 == 7 ? 2 : i % 2], [&in, i, visits]() { return live(in, i + 1, visits); },
              [&in, i, visits] { live_blocking(in, i + 1, visits); });
        }
      }
      CHECK(in.wrong == 0);
      CHECK(in.done + in.given_up == 24L * visits);
      CHECK(in.done > 0);
      CHECK(in.given_up > 0);
      CHECK(in.mutex.try_acquire().owns_lock());
      CHECK(in.recursive.try_acquire().owns_lock());
      CHECK(in.shared.try_acquire().owns_lock());
      CHECK(in.units.available() == 3);
      CHECK(in.queue_door.try_acquire().owns_lock());
    }
  }

  TEST_CASE("tasklets that are cancelled at any moment leave every lock free") {
    scheduler pool(2);
    const int rounds = by_level(60, 2000);
    for (int round = 0; round < rounds; ++round) {
      town in;
      std::vector<martlet::handle<>> all;
      for (unsigned i = 0; i < 16; ++i) {
        const unsigned seed = static_cast<unsigned>(round) * 16 + i + 1;
        all.push_back(i % 2 == 0 ? pool.spawn([&in, seed] { return live(in, seed, 10'000'000); })
                                 : pool.spawn([&in, seed] { live_blocking(in, seed, 10'000'000); }));
      }
      martlet::await(martlet::sleep_for(std::chrono::microseconds(200 + round % 7 * 100)));
      for (auto& one : all) {
        one.cancel();
      }
      for (auto& one : all) {
        CHECK_THROWS_AS(pool.block_on(std::move(one)), martlet::cancelled);
      }
      CHECK(in.wrong == 0);
      CHECK(in.mutex.try_acquire().owns_lock());
      CHECK(in.recursive.try_acquire().owns_lock());
      CHECK(in.shared.try_acquire().owns_lock());
      CHECK(in.units.available() == 3);
      CHECK(in.queue_door.try_acquire().owns_lock());
    }
  }
}

}  // namespace
