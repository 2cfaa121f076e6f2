#include <martlet/scheduler.hpp>

#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "eventually.hpp"
#include "scale.hpp"
#include "thread_now.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::scheduler;
using martlet::task;
using counter = martlet::base::atomic<int>;

task<int> adds(int a, int b) {
  co_await martlet::yield();
  co_return a + b;
}

TEST_SUITE("run_here") {
  TEST_CASE("a scheduler without workers runs on the thread that is lent to it") {
    scheduler pool(martlet::scheduler_options{.workers = 0, .lent_threads = 1});
    CHECK(pool.worker_count() == 0);
    const auto mine = thread_now();
    CHECK(pool.run_here(adds(1, 2)) == 3);
    const auto there = pool.run_here(pool.spawn([] { return thread_now(); }));
    CHECK(there == mine);
    CHECK(pool.run_here([]() -> task<int> {
      auto child = martlet::spawn(adds(3, 4));
      co_await martlet::sleep_for(1ms);
      co_return co_await child.join();
    }()) == 7);
    CHECK_THROWS_AS(pool.run_here([]() -> task<> {
      throw std::runtime_error("there");
      co_return;
    }()),
                    std::runtime_error);
  }

  TEST_CASE("what has ended already does not take the thread") {
    scheduler pool(1);
    auto h = pool.spawn(adds(1, 1));
    REQUIRE(eventually([&] { return h.state() == martlet::status::done; }));
    CHECK(pool.run_here(std::move(h)) == 2);
  }

  TEST_CASE("several threads are lent at once, again and again") {
    scheduler pool(martlet::scheduler_options{.workers = 1, .lent_threads = 3});
    const int rounds = scaled(3000);
    counter sum{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < rounds; ++i) {
          sum += pool.run_here(adds(i % 3, 1 - i % 3));
        }
      });
    }
    for (auto& t : threads) {
      t.join();
    }
    CHECK(sum == 3 * rounds);
  }

  TEST_CASE("one thread too many is refused, and there is room again afterwards") {
    scheduler pool(martlet::scheduler_options{.workers = 1, .lent_threads = 1});
    counter begun{0};
    counter may_go{0};
    std::thread lent([&] {
      pool.run_here([](counter& in, counter& go) -> task<> {
        ++in;
        while (go == 0) {
          co_await martlet::sleep_for(1ms);
        }
      }(begun, may_go));
    });
    REQUIRE(eventually([&] { return begun == 1; }));
    std::this_thread::sleep_for(5ms);  // inside by then, whoever runs the tasklet
    auto extra = pool.spawn([]() -> task<> { co_await martlet::sleep_for(1h); });
    CHECK_THROWS_AS(pool.run_here(std::move(extra)), martlet::misuse);
    may_go = 1;
    lent.join();
    CHECK(pool.run_here(adds(2, 2)) == 4);
  }

  TEST_CASE("one too many is refused too when a shutdown has given up") {
    scheduler pool(martlet::scheduler_options{.workers = 0, .lent_threads = 1});
    martlet::base::atomic<bool> is_inside{false}, may_leave{false};
    std::thread lent([&] {
      pool.run_here(pool.spawn([&] {
        is_inside = true;
        while (!may_leave) {
          std::this_thread::yield();
        }
      }));
    });
    REQUIRE(eventually([&] { return is_inside.load(); }));
    auto queued = pool.spawn([] {});
    CHECK(!pool.shutdown(0s, 0s).is_complete());
    CHECK_THROWS_AS(pool.run_here(std::move(queued)), martlet::misuse);
    may_leave = true;
    lent.join();
    CHECK(pool.shutdown(1h).is_complete());
  }

  TEST_CASE("a timer that a lent thread leaves behind still fires") {
    scheduler pool(martlet::scheduler_options{.workers = 1, .lent_threads = 1});
    counter plugged{0}, open{0}, sleeping{0}, fired{0};
    // The worker is held, so that the sleeper can only run, and arm its timer, on the lent thread.
    auto plug = pool.spawn([&] {
      ++plugged;
      while (open == 0) {
        std::this_thread::yield();
      }
    });
    REQUIRE(eventually([&] { return plugged == 1; }));
    pool.spawn([](counter& in, counter& out) -> task<> {
      ++in;
      co_await martlet::sleep_for(700ms);
      ++out;
    }(sleeping, fired));
    counter leave{0};
    std::thread lent([&] {
      pool.run_here([](counter& go) -> task<> {
        while (go == 0) {
          co_await martlet::sleep_for(1ms);
        }
      }(leave));
    });
    REQUIRE(eventually([&] { return sleeping == 1; }));
    std::this_thread::sleep_for(2ms);
    open = 1;
    martlet::await(plug.join());
    std::this_thread::sleep_for(200ms);  // the worker has nothing to do and falls asleep
    leave = 1;
    lent.join();
    CHECK(eventually([&] { return fired == 1; }, 20s));
  }

  // As the Python binding does: the next thread in this place must not end the state of the first.
  TEST_CASE("what was attached to a thread is gone when another one takes its place") {
    scheduler pool(martlet::scheduler_options{.workers = 0, .lent_threads = 1});
    static int detached = 0;
    int state = 0;
    pool.run_here(pool.spawn([&] {
      auto& here = *martlet::detail::current_host();
      here.attachment_ = &state;
      here.detach_ = [](martlet::detail::host& there) { ++detached, there.detach_ = nullptr; };
    }));
    CHECK(detached == 1);
    const auto mine = thread_now();
    bool has_other_thread = false;
    void* left = &state;
    pool.spawn([&] {
      has_other_thread = thread_now() != mine;
      left = martlet::detail::current_host()->attachment_;
    });
    CHECK(pool.shutdown(10s).is_complete());
    CHECK(has_other_thread);
    CHECK(left == nullptr);
  }

  TEST_CASE("what a tasklet attached is detached before another one runs, also when it merely yields") {
    scheduler pool(martlet::scheduler_options{.workers = 0, .lent_threads = 1});
    int attached = 0;
    int found = 0;
    const auto attaches = [&]() -> task<> {
      for (int i = 0; i < 100; ++i) {
        auto& here = *martlet::detail::current_host();
        here.detach_ = [](martlet::detail::host& there) { there.detach_ = nullptr; };
        ++attached;
        co_await martlet::yield();
      }
    };
    const auto looks = [&]() -> task<> {
      while (attached < 100) {
        found += martlet::detail::current_host()->detach_ != nullptr ? 1 : 0;
        co_await martlet::yield();
      }
    };
    pool.run_here([&]() -> task<> {
      auto one = martlet::spawn(attaches());
      auto other = martlet::spawn(looks());
      co_await one.join();
      co_await other.join();
    }());
    CHECK(found == 0);
  }

  TEST_CASE("a scheduler without workers is destroyed with tasklets and timers left behind") {
    for (int i = 0; i < 20; ++i) {
      counter stopped{0};
      {
        scheduler pool(martlet::scheduler_options{.workers = 0, .lent_threads = 2});
        CHECK(pool.run_here([](counter& all) -> task<int> {
          const auto waits = [](counter& n) -> task<> {
            try {
              co_await martlet::sleep_for(1h);
            } catch (const martlet::cancelled&) {
              ++n;
            }
          };
          martlet::spawn(waits(all));
          martlet::spawn([&all] {
            try {
              martlet::await(martlet::sleep_for(1h));
            } catch (const martlet::cancelled&) {
              ++all;
            }
          });
          for (int n = 0; n < 5; ++n) {
            co_await martlet::yield();
          }
          co_return 1;
        }(stopped)) == 1);
        pool.spawn([]() -> task<> { co_return; });  // never run by anybody
      }
      CHECK(stopped == 2);
    }
  }
}

}  // namespace
