#include <martlet/base/injector.hpp>

#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "scale.hpp"

namespace {

namespace base = martlet::base;
using martlet::testing::scaled;

TEST_SUITE("injector") {
  TEST_CASE("one thread gets back in order what it put in") {
    base::injector<int> queue;
    int got = 0;
    CHECK(queue.seems_empty());
    CHECK(!queue.try_pop(got));
    for (int i = 0; i < 1000; ++i) {
      queue.try_push(i);
    }
    CHECK(queue.size() == 1000);
    for (int i = 0; i < 1000; ++i) {
      REQUIRE(queue.try_pop(got));
      CHECK(got == i);
    }
    CHECK(queue.seems_empty());
    CHECK(!queue.try_pop(got));
  }

  TEST_CASE("every item is taken once, by whichever thread") {
    constexpr int producers = 3;
    const int each = scaled(100'000);
    base::injector<int> queue;
    std::vector<base::atomic<int>> seen(static_cast<std::size_t>(producers * each));
    base::atomic<int> taken{0};
    std::vector<std::thread> threads;
    for (int p = 0; p < producers; ++p) {
      threads.emplace_back([&, p] {
        for (int i = 0; i < each; ++i) {
          queue.try_push(p * each + i);
        }
      });
      threads.emplace_back([&] {
        while (taken < producers * each) {
          if (int got = 0; queue.try_pop(got)) {
            ++seen[static_cast<std::size_t>(got)];
            ++taken;
          } else {
            std::this_thread::yield();
          }
        }
      });
    }
    for (auto& t : threads) {
      t.join();
    }
    int wrong = 0;
    for (const auto& times : seen) {
      wrong += times == 1 ? 0 : 1;
    }
    CHECK(wrong == 0);
    CHECK(queue.seems_empty());
  }

  TEST_CASE("what one thread pushed is never announced as empty to itself") {
    base::injector<int> queue;
    for (int i = 0; i < 1000; ++i) {
      queue.try_push(i);
      REQUIRE(!queue.seems_empty());
      int got = -1;
      REQUIRE(queue.try_pop(got));
      REQUIRE(queue.seems_empty());
    }
  }
}

}  // namespace
