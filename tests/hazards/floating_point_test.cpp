// Rounding belongs to a thread for the processor; here it goes with the fiber, and stays away from all others.
#include <martlet/martlet.hpp>

#include <cfenv>
#include <vector>

#include <doctest/doctest.h>

#include "scale.hpp"
#include "thread_now.hpp"

namespace {

using namespace martlet::testing;
using martlet::scheduler;
using martlet::task;
using counter = martlet::base::atomic<int>;

// 1 + 2^-60 is no double: what the sum becomes tells how is rounded.
int rounding_seen() {
  volatile double one = 1.0;
  volatile double little = 0x1p-60;
  volatile double minus_little = -0x1p-60;
  const double up = one + little;
  const double down = one + minus_little;
  return up > 1.0 ? FE_UPWARD : down < 1.0 ? FE_DOWNWARD : FE_TONEAREST;
}

TEST_SUITE("floating point") {
  TEST_CASE("a fiber takes over the rounding of whoever spawns it, at once and when it begins later") {
    scheduler pool(1);
    pool.block_on(pool.spawn([] {
      for (int round = 0; round < 2; ++round) {
        std::vector<martlet::handle<int>> all;
        std::fesetround(FE_UPWARD);
        for (int i = 0; i < 20; ++i) {
          all.push_back(martlet::spawn([] { return rounding_seen(); }));
        }
        std::fesetround(FE_TONEAREST);
        for (auto& one : all) {
          CHECK(martlet::await(one.join()) == FE_UPWARD);
        }
      }
    }));
  }

  TEST_CASE("each fiber keeps its rounding from thread to thread") {
    scheduler pool({.workers = 2, .migrate_always = true});
    counter wrong{0};
    counter moved{0};
    martlet::scope all(pool);
    for (const int mode : {FE_UPWARD, FE_DOWNWARD, FE_TONEAREST}) {
      for (int i = 0; i < 10; ++i) {
        all.spawn([&, mode] {
          std::fesetround(mode);
          for (int round = 0; round < 200; ++round) {
            const auto before = thread_now();
            martlet::await(martlet::yield());
            wrong += rounding_seen() == mode && std::fegetround() == mode ? 0 : 1;
            volatile double third = 1.0 / 3.0 * round;  // inexact: sets the sticky flag, which is nobody's
            static_cast<void>(third);
            moved += thread_now() == before ? 0 : 1;
          }
        });
      }
    }
    for (int i = 0; i < 10; ++i) {
      all.spawn([&]() -> task<> {
        for (int round = 0; round < 200; ++round) {
          co_await martlet::yield();
          wrong += rounding_seen() == FE_TONEAREST ? 0 : 1;
        }
      });
    }
    all.join();
    CHECK(wrong == 0);
    CHECK(moved > 0);
    CHECK(rounding_seen() == FE_TONEAREST);
  }
}

}  // namespace
