#include <martlet/tasklet/held_locks.hpp>

#include <chrono>
#include <mutex>
#include <shared_mutex>

#include <doctest/doctest.h>

#include <martlet/base/sanitizer.hpp>
#include <martlet/scheduler.hpp>

#include "in_child.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::scheduler;
using martlet::task;

#if !defined(NDEBUG) && !MARTLET_ASAN && !MARTLET_TSAN && defined(__GLIBC__)
constexpr bool is_looked_for = true;
#else
constexpr bool is_looked_for = false;
#endif

// Runs `body` as a tasklet of its own process.
template <class Body>
child_end in_tasklet(Body body) {
  return in_child([&body] {
    scheduler pool(1);
    pool.block_on(pool.spawn(body));
  });
}

bool was_stopped(const child_end& end) {
  return end.was_aborted() && end.said("unlock it before the wait") && end.said("the lock was taken at") &&
         end.said("this waits");
}

TEST_SUITE("a lock of a thread" * doctest::skip(!is_looked_for)) {
  TEST_CASE("that is held over a wait stops the program with both places") {
    CHECK(was_stopped(in_tasklet([]() -> task<> {
      std::mutex lock;
      const std::lock_guard guard(lock);
      co_await martlet::yield();
    })));
    CHECK(was_stopped(in_tasklet([] {
      std::mutex lock;
      const std::lock_guard guard(lock);
      martlet::await(martlet::sleep_for(1us));
    })));
    CHECK(was_stopped(in_tasklet([]() -> task<> {
      std::recursive_timed_mutex lock;
      CHECK(lock.try_lock_for(1s));
      co_await martlet::spawn([]() -> task<> { co_return; }()).join();
    })));
    CHECK(was_stopped(in_tasklet([]() -> task<> {
      std::shared_mutex lock;
      const std::shared_lock guard(lock);
      co_await martlet::in_scope([](martlet::scope&) -> task<> { co_await martlet::yield(); });
    })));
    CHECK(was_stopped(in_tasklet([] {
      std::mutex outer;
      std::mutex inner;
      outer.lock();
      inner.lock();
      inner.unlock();
      martlet::await(martlet::yield());
    })));
  }

  TEST_CASE("that is unlocked before the wait is nobody's business") {
    scheduler pool(2);
    std::mutex lock;
    std::shared_timed_mutex shared;
    long sum = 0;
    martlet::scope all(pool);
    for (int i = 0; i < 50; ++i) {
      all.spawn([&]() -> task<> {
        for (int round = 0; round < 20; ++round) {
          {
            const std::scoped_lock guard(lock, shared);
            ++sum;
          }
          co_await martlet::yield();
          const std::unique_lock free(lock, std::defer_lock);
          co_await [](std::mutex& m, long& n) -> task<> {  // runs a part of itself, which does not wait
            const std::lock_guard guard(m);
            ++n;
            co_await [](long& inner) -> task<> {
              ++inner;
              co_return;
            }(n);
          }(lock, sum);
        }
      });
    }
    all.join();
    CHECK(sum == 3000);
  }

  TEST_CASE("a plain thread may hold one while it waits") {
    scheduler pool(1);
    std::mutex lock;
    const std::lock_guard guard(lock);
    martlet::await(martlet::sleep_for(1us));
    pool.block_on([]() -> task<> { co_await martlet::yield(); }());
  }
}

}  // namespace
