#include <martlet/base/clock.hpp>
#include <martlet/base/futex.hpp>

#include <chrono>
#include <thread>

#include <doctest/doctest.h>

namespace {

namespace base = martlet::base;
using namespace std::chrono_literals;

TEST_SUITE("clock") {
  TEST_CASE("time never goes back") {
    base::instant last = base::now();
    for (int i = 0; i < 10'000; ++i) {
      const base::instant next = base::now();
      REQUIRE(next >= last);
      last = next;
    }
  }

  TEST_CASE("it is the steady clock in nanoseconds") {
    const auto steady = [] { return std::chrono::steady_clock::now().time_since_epoch() / 1ns; };
    const auto before = steady();
    const base::instant here = base::now();
    CHECK(before <= here);
    CHECK(here <= steady());
  }

  TEST_CASE("a sum stays at never instead of wrapping, and at zero instead of going below") {
    CHECK(base::after(1000, 5us) == 6000);
    CHECK(base::after(1000, 0.5s) == 500'001'000);
    CHECK(base::after(1000, -500ns) == 500);
    CHECK(base::after(1000, -1h) == 0);
    CHECK(base::after(1000, std::chrono::hours::max()) == base::never);
    CHECK(base::after(base::never, 1ns) == base::never);
    CHECK(base::after(base::now(), std::chrono::nanoseconds::max()) == base::never);
  }

  TEST_CASE("the cycle counter has a scale") {
    CHECK(base::cycles_per_microsecond() > 0);
    const auto from = base::cycles();
    std::this_thread::sleep_for(2ms);
    CHECK((base::cycles() - from) / base::cycles_per_microsecond() >= 1000);
  }
}

TEST_SUITE("futex") {
  TEST_CASE("a wait on another value returns at once") {
    base::futex_word word{1};
    CHECK(base::futex_wait(word, 0));
  }

  TEST_CASE("a wait ends at its deadline, not before") {
    base::futex_word word{0};
    const base::instant due = base::now() + 5'000'000;
    while (base::futex_wait(word, 0, due)) {  // a wake for no reason is allowed
    }
    CHECK(base::now() >= due);
  }

  TEST_CASE("a wake ends the wait") {
    base::futex_word word{0};
    std::thread waker([&] {
      std::this_thread::sleep_for(2ms);
      word = 1;
      base::futex_wake(word);
    });
    while (word == 0) {
      base::futex_wait(word, 0);
    }
    waker.join();
    CHECK(word == 1);
  }
}

}  // namespace
