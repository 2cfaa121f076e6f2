#include <martlet/scheduler.hpp>

#include <chrono>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "eventually.hpp"
#include "scale.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::scheduler;
using martlet::task;
using counter = martlet::base::atomic<int>;

// Holds a worker, as a long computation does, until `claim` is true.
//
// Returns   false after a time that no working scheduler needs.
template <class Claim>
bool computes_until(Claim claim) {
  return eventually(claim, 20s);
}

// Everybody stays inside until all are inside: only `all` workers that run at once get out.
class meeting {
 public:
  explicit meeting(int all) : all_(all) {}

  bool attend() {
    ++here_;
    return computes_until([this] { return here_ >= all_; });
  }

 private:
  const int all_;
  counter here_{0};
};

TEST_SUITE("work conservation") {
  TEST_CASE("as many tasklets run at once as there are workers") {
    for (const int workers : {2, 3, 4, 8}) {
      CAPTURE(workers);
      scheduler pool(workers);
      for (int round = 0; round < 3; ++round) {
        meeting all(workers);
        counter met{0};
        pool.block_on([](meeting& m, counter& n, int count) -> task<> {
          co_await martlet::in_scope([&](martlet::scope& s) -> task<> {
            for (int i = 0; i < count; ++i) {
              if (i % 2 == 0) {
                s.spawn([&m, &n] { n += m.attend() ? 1 : 0; });
              } else {
                s.spawn([](meeting& at, counter& all_met) -> task<> {
                  all_met += at.attend() ? 1 : 0;
                  co_return;
                }(m, n));
              }
            }
            co_return;
          });
        }(all, met, workers));
        CHECK(met == workers);
      }
    }
  }

  TEST_CASE("they also do when they were spawned from outside, or woke from sleep") {
    for (const int workers : {2, 4}) {
      scheduler pool(workers);
      meeting outside(workers);
      meeting sleepers(workers);
      std::vector<martlet::handle<bool>> all;
      for (int i = 0; i < workers; ++i) {
        all.push_back(pool.spawn([&] { return outside.attend(); }));
      }
      for (auto& h : all) {
        CHECK(martlet::await(h.join()));
      }
      all.clear();
      for (int i = 0; i < workers; ++i) {
        all.push_back(pool.spawn([](meeting& m) -> task<bool> {
          co_await martlet::sleep_for(3ms);
          co_return m.attend();
        }(sleepers)));
      }
      for (auto& h : all) {
        CHECK(martlet::await(h.join()));
      }
    }
  }

  TEST_CASE("a timer fires while the worker on which it was armed computes on") {
    for (int round = 0; round < 10; ++round) {
      scheduler pool(2);
      const bool fired = pool.block_on([]() -> task<bool> {
        counter slept{0};
        counter armed{0};
        auto child = martlet::spawn([](counter& begins, counter& ends) -> task<> {
          ++begins;
          co_await martlet::sleep_for(2ms);
          ++ends;
        }(armed, slept));
        while (armed == 0) {
          co_await martlet::yield();
        }
        const bool seen = computes_until([&] { return slept == 1; });
        co_await child.join();
        co_return seen;
      }());
      CHECK(fired);
    }
  }

  TEST_CASE("a fresh child runs while its parent computes on") {
    scheduler pool(2);
    for (int round = 0; round < 20; ++round) {
      const bool ran = pool.block_on([]() -> task<bool> {
        counter child_ran{0};
        auto child = martlet::spawn([&child_ran] { ++child_ran; });
        const bool seen = computes_until([&] { return child_ran == 1; });
        co_await child.join();
        co_return seen;
      }());
      CHECK(ran);
    }
    CHECK(pool.statistics().stolen + pool.statistics().borrowed >= 20);
  }

  TEST_CASE("one that was woken, and lies in the slot, runs while its waker computes on") {
    scheduler pool(2);
    for (int round = 0; round < 20; ++round) {
      counter ran{0};
      auto child = pool.spawn([]() -> task<> { co_await martlet::sleep_for(1h); });
      auto woken = pool.spawn([&]() -> task<> {
        try {
          co_await child.join();
        } catch (const martlet::cancelled&) {}
        ++ran;
      });
      REQUIRE(eventually([&] { return woken.state() == martlet::status::blocked; }));
      const bool seen = pool.block_on(pool.spawn([&] {
        woken.cancel();  // wakes it: into this worker's slot
        return computes_until([&] { return ran == 1; });
      }));
      CHECK(seen);
    }
  }

  TEST_CASE("everything private to a worker in a long computation is taken over by and by") {
    scheduler pool(2);
    const bool ran = pool.block_on([]() -> task<bool> {
      counter count{0};
      std::vector<martlet::handle<>> children;
      for (int i = 0; i < 1000; ++i) {
        children.push_back(martlet::spawn([](counter& n) -> task<> {
          ++n;
          co_return;
        }(count)));
      }
      const bool all = computes_until([&] { return count == 1000; });
      for (auto& h : children) {
        co_await h.join();
      }
      co_return all;
    }());
    CHECK(ran);
  }

  TEST_CASE("flat work of some milliseconds runs on all workers") {
    scheduler pool(2);
    std::mutex lock;
    std::set<std::thread::id> seen;
    counter inside{0}, most{0};
    const auto flat_work = [&]() -> task<> {
      co_await martlet::in_scope([&](martlet::scope& s) -> task<> {
        for (int i = 0; i < 8; ++i) {
          s.spawn([&] {
            const int now = ++inside;
            if (now > most) {
              most = now;
            }
            std::this_thread::sleep_for(5ms);
            --inside;
            const std::lock_guard guard(lock);
            seen.insert(std::this_thread::get_id());
          });
        }
        co_return;
      });
    };
    // On a busy machine the second thread may come too late for the first eight, or the first hundred.
    CHECK(eventually([&] {
      pool.block_on(flat_work());
      return seen.size() == 2 && most == 2;
    }));
  }
}

}  // namespace
