#include <martlet/base/current.hpp>
#include <martlet/base/spin_lock.hpp>

#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "scale.hpp"

namespace {

namespace base = martlet::base;
using martlet::testing::scaled;

TEST_SUITE("this_thread") {
  TEST_CASE("it is the same for a thread all its life, and another for others") {
    const void* mine = base::this_thread();
    CHECK(mine != nullptr);
    CHECK(base::this_thread() == mine);
    const void* theirs = nullptr;
    std::thread([&] { theirs = base::this_thread(); }).join();
    CHECK(theirs != nullptr);
    CHECK(theirs != mine);
    CHECK(base::this_thread() == mine);
  }
}

TEST_SUITE("spin_lock") {
  TEST_CASE("it keeps others out") {
    base::spin_lock lock;
    CHECK(lock.try_lock());
    CHECK(!lock.try_lock());
    lock.unlock();
    lock.lock();
    CHECK(!lock.try_lock());
    lock.unlock();
  }

  TEST_CASE("what is done under it is done by one at a time, and seen by the next") {
    base::spin_lock lock;
    long sum = 0;
    const int rounds = scaled(200'000);
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (int n = 0; n < rounds; ++n) {
          lock.lock();
          ++sum;
          lock.unlock();
        }
      });
    }
    for (auto& t : threads) {
      t.join();
    }
    CHECK(sum == 4L * rounds);
  }
}

TEST_SUITE("current") {
  TEST_CASE("each thread has a value of its own, null at first") {
    int mine = 0;
    base::set_current(&mine);
    std::thread([&] {
      CHECK(base::current() == nullptr);
      int theirs = 0;
      base::set_current(&theirs);
      CHECK(base::current() == &theirs);
    }).join();
    CHECK(base::current() == &mine);
    base::set_current(nullptr);
    CHECK(base::current() == nullptr);
  }
}

}  // namespace
