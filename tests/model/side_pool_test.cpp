#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>

#include <pthread.h>

#include <martlet/base/clock.hpp>
#include <martlet/base/futex.hpp>
#include <martlet/scheduler/blocking.hpp>

#include "checker/explore.hpp"
#include "checker/mutants.hpp"
#include "checker/var.hpp"
#include "listed.hpp"
#include "side_pool.hpp"
#include "sleeper.hpp"

// Tasklets whose calls are made by a thread that is started when it is needed, rests, and leaves when nothing comes.

namespace base = martlet::base;
namespace detail = martlet::detail;
using namespace martlet::model;

namespace {

// The threads that a pool starts, one at a time: threads of the model, which wait to be started. Constant-initialised atomics have
// their first value again in each execution.
struct starts {
  static constexpr std::size_t most = 2;

  std::size_t threads = 0;  // which are to be started, the first of the program
  base::atomic<std::size_t> begun{0};
  std::array<base::atomic<bool>, most> has_ended{};
  base::atomic<bool> are_over{false};
  std::array<void* (*)(void*), most> mains{};
  std::array<void*, most> arguments{};
};
constinit starts all_starts;

void be_started() {
  const std::size_t which = execution::current().thread() - 1;
  while (all_starts.begun.load(base::acquire) <= which) {
    if (all_starts.are_over.load(base::relaxed)) {
      return;
    }
    base::cpu_pause();
  }
  all_starts.mains[which](all_starts.arguments[which]);
  all_starts.has_ended[which].store(true, base::release);
}

}  // namespace

// These two stand in for the system's. Since there is one at a time, who is joined is the one that was started before.
extern "C" int pthread_create(pthread_t*, const pthread_attr_t*, void* (*main)(void*), void* argument) noexcept {
  const std::size_t which = all_starts.begun.load(base::relaxed);
  require(which < all_starts.threads, "no more are started than there are");
  all_starts.mains[which] = main;
  all_starts.arguments[which] = argument;
  all_starts.begun.store(which + 1, base::release);
  return 0;
}
extern "C" int pthread_join(pthread_t, void**) {
  const std::size_t self = execution::current().thread();
  const std::size_t joined = self <= all_starts.threads ? self - 2 : all_starts.begun.load(base::relaxed) - 1;
  while (!all_starts.has_ended[joined].load(base::acquire)) {
    base::cpu_pause();
  }
  return 0;
}

namespace {

// What a call has done is plain data, and so is what its caller keeps for it.
struct caller {
  explicit caller(crew& others, detail::side_pool& in) : self(others), pool(in) {}

  // Returns   false when it was cancelled.
  bool call() {
    auto operation = martlet::blocking([this] { calls.set(calls.get() + 1); });
    operation.pool = &pool;
    try {
      wait(self, operation);
      ++expected;
      return true;
    } catch (const martlet::cancelled&) {
      return false;
    }
  }
  void end() {
    require(calls.get() == expected, "each call is made once, unless it was cancelled");
    self.end();
  }

  sleeper self;
  detail::side_pool& pool;
  var<int> calls{0};
  int expected = 0;
};

// A thread that may rest for ever is there when it is called, or nobody goes on: one that leaves would come to a call by
// itself, whether it was called or not.
constexpr auto endless = std::chrono::nanoseconds::max();
constexpr std::chrono::nanoseconds patience{1'000'000};

struct house {
  explicit house(std::size_t threads, std::chrono::nanoseconds rest)
      : pool(std::make_unique<detail::side_pool>(1, rest)) {
    all_starts.threads = threads;
  }

  void close() {
    pool->stop();
    pool.reset();
    all_starts.are_over.store(true, base::relaxed);
  }

  crew others;
  std::unique_ptr<detail::side_pool> pool;
};

void one_call() {
  house all(1, endless);
  caller one(all.others, *all.pool);
  run_threads({{"thread", be_started}, {"calls", [&] {
                                          one.self.sit_down();
                                          require(one.call(), "nobody cancels");
                                          all.close();
                                        }}});
  one.end();
}

void two_calls() {
  house all(1, endless);
  caller one(all.others, *all.pool);
  run_threads({{"thread", be_started}, {"calls", [&] {
                                          one.self.sit_down();
                                          require(one.call() && one.call(), "nobody cancels");
                                          all.close();
                                        }}});
  one.end();
}

// The second comes when its thread has rested for as long as it may: it takes the call, or leaves and another one does.
void called_at_last() {
  house all(2, patience);
  caller one(all.others, *all.pool);
  run_threads({{"thread", be_started}, {"another", be_started}, {"calls", [&] {
                                                                   one.self.sit_down();
                                                                   require(one.call(), "nobody cancels");
                                                                   base::futex_word nothing{0};
                                                                   base::futex_wait(nothing, 0,
                                                                                    base::now() + patience.count());
                                                                   require(one.call(), "nobody cancels");
                                                                   all.close();
                                                                 }}});
  one.end();
}

void two_callers() {
  house all(1, endless);
  caller one(all.others, *all.pool), other(all.others, *all.pool);
  base::atomic<bool> has_returned{false};
  run_threads({{"thread", be_started},
               {"calls",
                [&] {
                  one.self.sit_down();
                  require(one.call(), "nobody cancels");
                  while (!has_returned.load(base::acquire)) {
                    base::cpu_pause();
                  }
                  all.close();
                }},
               {"calls too", [&] {
                  other.self.sit_down();
                  require(other.call(), "nobody cancels");
                  has_returned.store(true, base::release);
                }}});
  one.end();
  other.end();
}

void cancelled() {
  house all(1, endless);
  caller one(all.others, *all.pool);
  run_threads({{"thread", be_started},
               {"calls",
                [&] {
                  one.self.sit_down();
                  static_cast<void>(one.call());
                  all.close();
                }},
               {"cancels", [&] { detail::request_cancel(&one.self); }}});
  one.end();
}

}  // namespace

TEST_SUITE("side pool") {
  TEST_CASE("each call is made once, and the pool ends when its threads have") {
    check({
        {"one call", one_call, 63'392, martlet::testing::level::stress},
        {"two calls", two_calls, 0},
        {"two calls with a rest between", called_at_last, 0},
        {"two callers", two_callers, 0},
        {"a call that is cancelled", cancelled, 0},
    });
  }

  TEST_CASE("mutants: no order can be weaker") {
    const options random{.seed = 1, .most = 2'000};
    const auto unexplained = unexplained_mutants(
        {{one_call, random}, {two_calls, random}, {called_at_last, random}, {two_callers, random}, {cancelled, random}},
        {"scheduler/src/side_pool"}, {});
    INFO(doctest::toString(unexplained));
    CHECK(unexplained.empty());
  }
}
