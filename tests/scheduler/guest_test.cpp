#include <martlet/scheduler/guest.hpp>

#include <cfenv>
#include <chrono>
#include <memory>
#include <system_error>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include <martlet/scheduler.hpp>
#include <martlet/scheduler/driver.hpp>

#include "event_loop.hpp"
#include "eventually.hpp"
#include "in_child.hpp"
#include "scale.hpp"
#include "thread_now.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::guest;
using martlet::misuse;
using martlet::scheduler;
using martlet::scheduler_options;
using martlet::status;
using martlet::task;
using counter = martlet::base::atomic<int>;

template <class Handle>
auto ended(const Handle& handle) {
  return [&handle] { return handle.state() >= status::done; };
}

// Polls until nothing is ready.
void settle(guest& of) {
  while (of.poll()) {}
}

void compute_for(std::chrono::microseconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < end) {}
}

// Offers a descriptor that no epoll takes until it may be watched.
class late_driver final : public martlet::driver {
 public:
  late_driver()
      : file_(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC)), told_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  ~late_driver() override {
    ::close(file_);
    ::close(told_);
  }

  void wait(martlet::base::instant) override { poll(); }
  void poll() override {
    eventfd_t count = 0;
    ::eventfd_read(told_, &count);
  }
  void notify() noexcept override { ::eventfd_write(told_, 1); }
  int event_fd() const noexcept override { return can_be_watched ? told_ : file_; }

  static inline bool can_be_watched = false;

 private:
  int file_;
  int told_;
};

TEST_SUITE("guest") {
  TEST_CASE("a poll runs what is ready, on the calling thread, and says so beforehand") {
    scheduler pool({.workers = 0});
    guest host(pool);
    settle(host);
    CHECK_FALSE(is_told(host));
    auto there = pool.spawn([] { return thread_now(); });
    CHECK(is_told(host));
    CHECK(there.state() == status::queued);
    CHECK_FALSE(host.poll({.time = 1h}));
    CHECK(there.state() == status::done);
    CHECK_FALSE(is_told(host));
    CHECK(pool.block_on(std::move(there)) == thread_now());
  }

  TEST_CASE("what another thread spawns wakes the loop") {
    scheduler pool({.workers = 0});
    guest host(pool);
    settle(host);
    const int rounds = scaled(2000);
    counter sum{0};
    std::thread other([&] {
      for (int i = 0; i < rounds; ++i) {
        pool.spawn([&sum] { ++sum; });
        if (i % 16 == 0) {
          std::this_thread::sleep_for(20us);  // the loop falls asleep now and then
        }
      }
    });
    CHECK(loop_until(host, [&] { return sum == rounds; }));
    other.join();
  }

  TEST_CASE("a poll takes no more turns than its budget, and is told again") {
    scheduler pool({.workers = 0});
    guest host(pool);
    settle(host);
    for (const bool as_fiber : {false, true}) {
      long turns = 0;
      bool stop = false;
      const auto each = [&] {
        ++turns;
        return !stop;
      };
      std::vector<martlet::handle<>> all;
      for (int i = 0; i < 3; ++i) {
        if (as_fiber) {
          all.push_back(pool.spawn([&each] {
            while (each()) {
              martlet::await(martlet::yield());
            }
          }));
        } else {
          all.push_back(pool.spawn([](auto& one_more) -> task<> {
            while (one_more()) {
              co_await martlet::yield();
            }
          }(each)));
        }
      }
      for (const unsigned most : {1U, 2U, 7U, 64U, 1000U}) {
        const long before = turns;
        CHECK(host.poll({.turns = most, .time = 1h}));
        CHECK(turns - before == most);
        CHECK(is_told(host));
      }
      stop = true;
      settle(host);
      for (const auto& one : all) {
        CHECK(one.state() == status::done);
      }
      CHECK_FALSE(is_told(host));
    }
  }

  TEST_CASE("a poll ends when its time is over, between two tasklets") {
    scheduler pool({.workers = 0});
    guest host(pool);
    int run = 0;
    for (int i = 0; i < 50; ++i) {
      pool.spawn([&run] {
        compute_for(1ms);
        ++run;
      });
    }
    CHECK(host.poll({.turns = 1000, .time = 2ms}));
    CHECK(run >= 1);
    CHECK(run < 20);
    settle(host);
    CHECK(run == 50);
  }

  TEST_CASE("a timer wakes the loop") {
    scheduler pool({.workers = 0});
    guest host(pool);
    std::vector<martlet::handle<int>> sleepers;
    for (int i = 0; i < 20; ++i) {
      sleepers.push_back(pool.spawn([](int n) -> task<int> {
        const auto start = std::chrono::steady_clock::now();
        co_await martlet::sleep_for(std::chrono::milliseconds(n % 7));
        co_await martlet::sleep_for(1ms);
        co_return std::chrono::steady_clock::now() - start >= std::chrono::milliseconds(n % 7 + 1) ? 1 : 0;
      }(i)));
    }
    int in_time = 0;
    for (auto& one : sleepers) {
      REQUIRE(loop_until(host, ended(one)));
      in_time += pool.block_on(std::move(one));
    }
    CHECK(in_time == 20);
    // An earlier timer than the one that the loop sleeps for, and one that is taken back.
    auto late = pool.spawn([]() -> task<> { co_await martlet::sleep_for(1h); });
    settle(host);
    auto soon = pool.spawn([]() -> task<> { co_await martlet::sleep_for(2ms); });
    CHECK(loop_until(host, ended(soon)));
    late.cancel();
    CHECK(loop_until(host, ended(late)));
    settle(host);
    CHECK_FALSE(is_told(host, 5ms));
  }

  TEST_CASE("with workers it is one more of them, and both kinds of tasklets go back and forth") {
    scheduler pool({.workers = 2});
    guest host(pool);
    const int rounds = scaled(200);
    auto all = pool.spawn([](int n) -> task<long> {
      long sum = 0;
      for (int round = 0; round < n; ++round) {
        std::vector<martlet::handle<int>> children;
        for (int i = 0; i < 20; ++i) {
          children.push_back(martlet::spawn([](int k) -> task<int> {
            co_await martlet::yield();
            co_return k;
          }(i)));
          children.push_back(martlet::spawn([i] {
            martlet::await(martlet::yield());
            return i;
          }));
        }
        for (auto& child : children) {
          sum += co_await child.join();
        }
      }
      co_return sum;
    }(rounds));
    while (all.state() < status::done) {
      if (is_told(host, 1ms)) {
        host.poll({.turns = 16});
      }
    }
    CHECK(pool.block_on(std::move(all)) == 380L * rounds);
  }

  TEST_CASE("what is ready in a loop that is busy elsewhere is taken by a worker") {
    scheduler pool({.workers = 1, .lent_threads = 1});
    guest host(pool);
    counter held{0}, open{0}, run{0};
    pool.spawn([&] {  // so that the loop gets the next one
      ++held;
      while (open == 0) {
        std::this_thread::yield();
      }
    });
    REQUIRE(eventually([&] { return held == 1; }));
    auto parent = pool.spawn([&] {
      for (int i = 0; i < 20; ++i) {
        pool.spawn([&run] { ++run; });
      }
    });
    REQUIRE(eventually([&] {
      host.poll({.turns = 1});
      return parent.state() == status::done;
    }));
    CHECK(run < 20);
    open = 1;
    CHECK(eventually([&] { return run == 20; }));  // without a poll
  }

  TEST_CASE("a loop that does not come holds up no work of the workers") {
    scheduler pool({.workers = 1, .lent_threads = 2});
    guest host(pool);
    settle(host);
    const int rounds = scaled(500);
    int sum = 0;
    for (int i = 0; i < rounds; ++i) {
      sum += pool.block_on([]() -> task<int> {
        co_await martlet::sleep_for(20us);
        auto child = martlet::spawn([] { return 1; });
        co_return co_await child.join();
      }());
      if (i % 50 == 0) {
        std::this_thread::sleep_for(3ms);  // everybody sleeps
      }
      if (i % 100 == 99) {
        settle(host);
      }
    }
    CHECK(sum == rounds);
  }

  TEST_CASE("the loop takes what a worker inside a long tasklet does not get to") {
    scheduler pool({.workers = 1});
    guest host(pool);
    for (int round = 0; round < 10; ++round) {
      settle(host);
      auto held = pool.spawn([] {
        counter run{0};
        for (int i = 0; i < 5; ++i) {
          martlet::spawn([&run] { ++run; });
        }
        while (run < 5) {  // private to this worker, which stays here
          std::this_thread::yield();
        }
      });
      CHECK(loop_until(host, ended(held)));
    }
  }

  TEST_CASE("two loops and a worker drive one scheduler") {
    scheduler pool({.workers = 1, .lent_threads = 2});
    const int rounds = scaled(2000);
    counter sum{0};
    std::vector<std::thread> loops;
    for (int i = 0; i < 2; ++i) {
      loops.emplace_back([&] {
        guest host(pool);
        while (sum < 3 * rounds) {
          if (is_told(host, 1ms)) {
            host.poll({.turns = 8});
          }
        }
      });
    }
    for (int i = 0; i < rounds; ++i) {
      pool.spawn([](counter& n) -> task<> {
        ++n;
        auto child = martlet::spawn([&n] { ++n; });
        co_await martlet::sleep_for(10us);
        co_await child.join();
        ++n;
      }(sum));
    }
    for (auto& one : loops) {
      one.join();
    }
    CHECK(sum == 3 * rounds);
  }

  TEST_CASE("its end gives the place back, with what was ready and the timers") {
    scheduler pool({.workers = 0, .lent_threads = 1});
    counter run{0};
    for (int round = 0; round < 20; ++round) {
      guest host(pool);
      for (int i = 0; i < 3; ++i) {
        pool.spawn([](counter& n) -> task<> {
          co_await martlet::yield();
          co_await martlet::sleep_for(100us);
          ++n;
        }(run));
      }
      host.poll({.turns = static_cast<unsigned>(1 + round % 9)});
    }
    {
      guest host(pool);
      CHECK(loop_until(host, [&] { return run == 60; }));
    }
    CHECK(pool.run_here([]() -> task<int> {
      co_await martlet::sleep_for(1ms);
      co_return 3;
    }()) == 3);
    {
      guest last(pool);  // leaves a sleeper for the scheduler's end
      pool.spawn([](counter& n) -> task<> {
        try {
          co_await martlet::sleep_for(1h);
        } catch (const martlet::cancelled&) {
          n = -1;
        }
      }(run));
      settle(last);
    }
    pool.shutdown(0s);
    CHECK(run == -1);
  }

  TEST_CASE("a driver that the loop cannot watch is said, and tried again at the next poll") {
    scheduler pool({.workers = 0});
    guest host(pool);
    auto installs = pool.spawn([] {
      martlet::detail::install_driver(*martlet::detail::current_host(), std::make_unique<late_driver>());
    });
    for (int i = 0; i < 2; ++i) {
      CHECK_THROWS_AS(settle(host), std::system_error);
      CHECK(martlet::detail::current_host() == nullptr);
      CHECK(is_told(host));
    }
    CHECK(installs.state() == status::done);
    late_driver::can_be_watched = true;
    settle(host);
    CHECK_FALSE(is_told(host));
    auto answers = pool.spawn([] { return 6; });
    CHECK(is_told(host));
    settle(host);
    CHECK(pool.block_on(std::move(answers)) == 6);
  }

  TEST_CASE("the floating point modes of the loop are its own") {
    scheduler pool({.workers = 0});
    guest host(pool);
    const auto now = [] { return std::fegetround(); };
    auto before = pool.spawn([&]() -> task<int> { co_return now(); });
    auto changes = pool.spawn([&] {
      std::fesetround(FE_DOWNWARD);
      martlet::await(martlet::yield());
      return now();
    });
    settle(host);
    CHECK(now() == FE_TONEAREST);
    std::fesetround(FE_UPWARD);
    auto later = pool.spawn([&] {
      martlet::await(martlet::yield());
      return now();
    });
    settle(host);
    CHECK(now() == FE_UPWARD);
    std::fesetround(FE_TONEAREST);
    settle(host);
    CHECK(now() == FE_TONEAREST);
    CHECK(pool.block_on(std::move(before)) == FE_TONEAREST);
    CHECK(pool.block_on(std::move(changes)) == FE_DOWNWARD);
    CHECK(pool.block_on(std::move(later)) == FE_UPWARD);  // as whoever spawned it
  }

  TEST_CASE("the loop's thread may lend itself between two polls") {
    scheduler pool({.workers = 0, .lent_threads = 2});
    guest host(pool);
    auto sleeper = pool.spawn([]() -> task<> { co_await martlet::sleep_for(1ms); });
    settle(host);
    CHECK(pool.run_here([]() -> task<int> { co_return 5; }()) == 5);
    CHECK(loop_until(host, ended(sleeper)));
  }

  TEST_CASE("wrong calls are refused with a sentence") {
    scheduler pool({.workers = 1, .lent_threads = 1});
    guest host(pool);
    CHECK_THROWS_WITH_AS(guest{pool}, doctest::Contains("scheduler_options::lent_threads"), misuse);
    std::thread([&host] { CHECK_THROWS_WITH_AS(host.poll(), doctest::Contains("another thread"), misuse); }).join();
    auto inside = pool.spawn([&] {
      CHECK_THROWS_WITH_AS(host.poll(), doctest::Contains("inside a tasklet"), misuse);
      CHECK_THROWS_WITH_AS(guest{pool}, doctest::Contains("runs tasklets"), misuse);
    });
    CHECK(loop_until(host, ended(inside)));
  }

  TEST_CASE("a scheduler that ends before its guest stops the program with a sentence") {
    const child_end end = in_child([] {
      auto pool = std::make_unique<scheduler>(scheduler_options{.workers = 0});
      guest host(*pool);
      pool.reset();
    });
    CHECK(end.was_aborted());
    CHECK(end.said("destroy the guest first"));
  }

  TEST_CASE("shutdown on the loop's thread runs the tasklets meanwhile") {
    scheduler pool({.workers = 0});
    guest host(pool);
    int ended_well = 0;
    for (int i = 0; i < 5; ++i) {
      pool.spawn([](int& n) -> task<> {
        co_await martlet::sleep_for(2ms);
        ++n;
      }(ended_well));
    }
    CHECK(pool.shutdown(20s).is_complete());
    CHECK(ended_well == 5);
    CHECK_FALSE(host.poll());
  }
}

}  // namespace
