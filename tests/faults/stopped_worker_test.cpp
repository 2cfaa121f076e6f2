#include <martlet/channel.hpp>
#include <martlet/scheduler.hpp>

#include <chrono>
#include <csignal>
#include <ctime>
#include <vector>

#include <pthread.h>

#include <doctest/doctest.h>

#include "eventually.hpp"
#include "scale.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::scheduler;
using martlet::task;
using counter = martlet::base::atomic<int>;

constinit counter stopped{0};
constinit counter gone_on{0};
constinit counter holds{0};  // stopped threads stay so while it is 1

// What stands for a stopped thread: it does nothing, wherever it was. After a minute it gives up, so that a test can fail.
void stop_here(int) {
  ++stopped;
  for (int i = 0; holds == 1 && i < 60'000; ++i) {
    const timespec nap{.tv_sec = 0, .tv_nsec = 1'000'000};
    ::nanosleep(&nap, nullptr);
  }
  ++gone_on;
}

// Makes SIGUSR2 stop the thread that gets it.
class stopping_signal {
 public:
  stopping_signal() {
    struct sigaction what{};
    what.sa_handler = stop_here;
    what.sa_flags = SA_RESTART;
    ::sigaction(SIGUSR2, &what, &before_);
    stopped = gone_on = 0;
    holds = 1;
  }
  stopping_signal(const stopping_signal&) = delete;
  stopping_signal& operator=(const stopping_signal&) = delete;
  ~stopping_signal() { ::sigaction(SIGUSR2, &before_, nullptr); }

 private:
  struct sigaction before_{};
};

// Workers block signals; each of these opens this one.
void open_signal() {
  sigset_t wanted;
  ::sigemptyset(&wanted);
  ::sigaddset(&wanted, SIGUSR2);
  ::pthread_sigmask(SIG_UNBLOCK, &wanted, nullptr);
}

task<> wait_often(counter& done, int times) {
  for (int i = 0; i < times; ++i) {
    co_await martlet::yield();
    if (i % 16 == 0) {
      co_await martlet::sleep_for(50us);
    }
  }
  ++done;
}

TEST_SUITE("a stopped worker") {
  TEST_CASE("what lies in its queues, and what comes, is done by the others meanwhile") {
    stopping_signal one;
    scheduler pool({.workers = 2, .on_worker_start = open_signal});
    counter done{0};
    constexpr int count = 300;
    auto in_its_hands = pool.spawn([&] {
      for (int i = 0; i < count; ++i) {
        martlet::spawn(wait_often(done, 20));
      }
      ::pthread_kill(::pthread_self(), SIGUSR2);
      return done.load();
    });
    REQUIRE(eventually([] { return stopped == 1; }));
    martlet::channel<int> numbers;
    auto receiver = pool.spawn([&] { return martlet::await(numbers.receive()).value_or(0); });
    martlet::await(numbers.send(8));
    CHECK(pool.block_on(std::move(receiver)) == 8);
    REQUIRE(eventually([&] { return done == count; }));
    holds = 0;
    CHECK(pool.block_on(std::move(in_its_hands)) == count);
  }

  TEST_CASE("wherever it stops for a while, in a lock or asleep, nothing is lost") {
    stopping_signal one;
    std::vector<pthread_t> threads;
    martlet::base::spin_lock lock;
    scheduler pool({.workers = 2, .on_worker_start = [&] {
                      open_signal();
                      lock.lock();
                      threads.push_back(::pthread_self());
                      lock.unlock();
                    }});
    REQUIRE(eventually([&] {
      lock.lock();
      const std::size_t there = threads.size();
      lock.unlock();
      return there == 2;
    }));
    counter done{0};
    const int rounds = by_level(20, 400);
    constexpr int count = 100;
    for (int round = 0; round < rounds; ++round) {
      holds = 1;
      const bool is_idle = round % 4 == 0;
      martlet::scope all(pool);
      if (is_idle) {
        REQUIRE(::pthread_kill(threads[static_cast<std::size_t>(round / 4 % 2)], SIGUSR2) == 0);
      }
      for (int i = 0; i < count; ++i) {
        all.spawn(wait_often(done, 40));
      }
      if (!is_idle) {
        REQUIRE(::pthread_kill(threads[static_cast<std::size_t>(round % 2)], SIGUSR2) == 0);
      }
      REQUIRE(eventually([&] { return stopped == round + 1; }));
      std::this_thread::sleep_for(2ms);
      holds = 0;
      all.join();
      CHECK(done == (round + 1) * count);
      REQUIRE(eventually([&] { return gone_on == round + 1; }));  // it looks at `holds` now and then only
    }
  }
}

}  // namespace
