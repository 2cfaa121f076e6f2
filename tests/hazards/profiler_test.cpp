// A profiler's signal comes at any instruction, also of the switch: the unwinder that it starts may end short, not crash.
#include <martlet/martlet.hpp>

#include <array>
#include <chrono>
#include <csignal>

#include <execinfo.h>
#include <sys/time.h>

#include <doctest/doctest.h>

#include <martlet/base/sanitizer.hpp>

#include "scale.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::scheduler;
using martlet::task;

martlet::base::atomic<long> samples{0};
martlet::base::atomic<long> frames{0};

void sample(int) {
  std::array<void*, 64> stack;
  frames += ::backtrace(stack.data(), static_cast<int>(stack.size()));
  ++samples;
}

[[gnu::noinline]] void switches_deep(int depth) {
  if (depth == 0) {
    martlet::await(martlet::yield());
  } else {
    switches_deep(depth - 1);
    asm volatile("");  // no tail call
  }
}

// The sanitizers put signals off, and forbid much in a handler.
TEST_SUITE("a profiler" * doctest::skip(MARTLET_ASAN || MARTLET_TSAN)) {
  TEST_CASE("may sample while tasklets of both kinds switch and move") {
    std::array<void*, 1> warm;
    ::backtrace(warm.data(), 1);  // loads what it needs, which a handler must not
    struct sigaction action{};
    struct sigaction before{};
    action.sa_handler = sample;
    action.sa_flags = SA_RESTART;
    ::sigaction(SIGPROF, &action, &before);
    const itimerval often{.it_interval = {.tv_sec = 0, .tv_usec = 500}, .it_value = {.tv_sec = 0, .tv_usec = 500}};
    ::setitimer(ITIMER_PROF, &often, nullptr);
    for (const bool always : {false, true}) {
      scheduler pool({.workers = 2, .migrate_always = always});
      martlet::scope all(pool);
      const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(scaled(400));
      for (int i = 0; i < 20; ++i) {
        all.spawn([end] {
          while (std::chrono::steady_clock::now() < end) {
            switches_deep(5);
          }
        });
        all.spawn([end]() -> task<> {
          while (std::chrono::steady_clock::now() < end) {
            co_await [](int n) -> task<> {
              for (; n != 0; --n) {
                co_await martlet::yield();
              }
            }(5);
          }
        });
      }
      all.join();
    }
    const itimerval never{};
    ::setitimer(ITIMER_PROF, &never, nullptr);
    ::sigaction(SIGPROF, &before, nullptr);
    CHECK(samples > 0);
    CHECK(frames > samples);
    MESSAGE(samples.load(), " samples of ", frames.load() / samples.load(), " frames on average");
  }
}

}  // namespace
