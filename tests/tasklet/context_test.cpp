#include <martlet/tasklet/context.hpp>

#include <array>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

#include <doctest/doctest.h>

#include <martlet/base/atomic.hpp>

#include "flow.hpp"

namespace {

using namespace martlet::detail;
using namespace martlet::testing;
namespace base = martlet::base;

TEST_SUITE("context") {
  TEST_CASE_TEMPLATE("a flow starts at its entry and goes on where it suspended", Context, MARTLET_TEST_BACKENDS) {
    std::string seen;
    flow<Context> f([&](auto& self) {
      seen += 'b';
      self.suspend();
      seen += 'd';
    });
    seen += 'a';
    f.resume();
    seen += 'c';
    CHECK(!f.is_finished());
    f.resume();
    CHECK(f.is_finished());
    CHECK(seen == "abcd");
  }

  TEST_CASE_TEMPLATE("many values survive a million switches on both sides", Context, MARTLET_TEST_BACKENDS) {
    constexpr int rounds = 1'000'000;
    std::uint64_t there = 0;
    flow<Context> f([&](auto& self) {
      std::uint64_t a = 1, b = 2, c = 3, d = 4, e = 5, g = 6, h = 7;
      double x = 0.5;
      for (int i = 0; i < rounds; ++i) {
        a += 1, b += a, c ^= b, d += c, e ^= d, g += e, h ^= g, x += 1;
        self.suspend();
      }
      there = a + b + c + d + e + g + h + static_cast<std::uint64_t>(x);
    });
    std::uint64_t a = 1, b = 2, c = 3, d = 4, e = 5, g = 6, h = 7;
    double x = 0.5;
    for (int i = 0; i < rounds; ++i) {
      f.resume();
      a += 1, b += a, c ^= b, d += c, e ^= d, g += e, h ^= g, x += 1;
    }
    f.resume();
    REQUIRE(f.is_finished());
    CHECK(there == a + b + c + d + e + g + h + static_cast<std::uint64_t>(x));
  }

  TEST_CASE_TEMPLATE("a flow that started on one thread finishes on another", Context, MARTLET_TEST_BACKENDS) {
    std::vector<pid_t> ids;
    flow<Context> f([&](auto& self) {
      for (int i = 0; i < 10; ++i) {
        ids.push_back(::gettid());
        self.suspend();
      }
    });
    f.resume();
    for (int i = 0; i < 10; ++i) {
      f.resume_elsewhere();
    }
    CHECK(f.is_finished());
    REQUIRE(ids.size() == 10);
    // Not this_thread::get_id(): the compiler may keep its answer over the switch, as it may pthread_self's.
    CHECK(ids.front() == ::gettid());
    CHECK(ids.back() != ::gettid());
  }

  TEST_CASE_TEMPLATE("what follows a suspend may hand the flow to another thread", Context, MARTLET_TEST_BACKENDS) {
    // The flow is passed to and fro between two threads, each of which takes it as soon as it is published.
    const int rounds = base::stacks_are_watched ? 2'000 : 50'000;
    base::atomic<int> turn{0};
    int counted = 0;
    base::atomic<bool> is_done{false};
    struct handing {
      base::atomic<int>* turn;
      int to;
      const stack* of;
      bool was_on_flow = false;
    };
    flow<Context> f([&](auto& self) {
      handing next{&turn, 0, &self.memory()};
      for (int i = 0; i < rounds; ++i) {
        ++counted;
        next.to = (i + 1) % 2;
        self.suspend(
            [](void* given) {
              auto& hand = *static_cast<handing*>(given);
              hand.was_on_flow |= stack_span(*hand.of).contains(__builtin_frame_address(0));
              hand.turn->store(hand.to, base::release);  // [test.turn]
            },
            &next);
      }
      CHECK(!next.was_on_flow);
      is_done.store(true, base::relaxed);
    });
    const auto run = [&](int mine) {
      carrier here;
      while (!is_done.load(base::acquire)) {
        if (turn.load(base::acquire) == mine) {  // [test.turn]
          turn.store(2, base::relaxed);
          f.resume();
        } else {
          std::this_thread::yield();
        }
      }
    };
    std::thread other([&] { run(1); });
    run(0);
    other.join();
    CHECK(counted == rounds);
    CHECK(f.is_finished());
  }

  TEST_CASE_TEMPLATE("a flow may destroy itself as it finishes", Context, MARTLET_TEST_BACKENDS) {
    struct mortal {
      stack memory = pool.take();
      Context context;
    };
    const auto before = pool.counts().taken;
    auto* dying = new mortal;
    dying->context.prepare(
        dying->memory,
        [](void* self) {
          static_cast<mortal*>(self)->context.finish(
              [](void* gone) {
                pool.give_back(static_cast<mortal*>(gone)->memory);
                delete static_cast<mortal*>(gone);
              },
              self);
        },
        dying);
    carrier here;
    dying->context.resume(here);
    CHECK(pool.counts().taken == before);
  }

  TEST_CASE_TEMPLATE("a new flow's stack is aligned as a call's", Context, MARTLET_TEST_BACKENDS) {
    for (int i = 0; i < 64; ++i) {  // over all colours
      std::uintptr_t frame = 1;
      std::array<float, 4> sum{};
      auto memory = pool.take();
      Context context;
      struct shared {
        Context* context;
        std::uintptr_t* frame;
        std::array<float, 4>* sum;
      } given{&context, &frame, &sum};
      context.prepare(
          memory,
          [](void* argument) {
            auto& mine = *static_cast<shared*>(argument);
            *mine.frame = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
            alignas(16) volatile float wide[4] = {1, 2, 3, 4};
            for (std::size_t k = 0; k < 4; ++k) {
              (*mine.sum)[k] = wide[k] + 1;
            }
            mine.context->finish();
          },
          &given);
      carrier here;
      context.resume(here);
      pool.give_back(memory);
      CHECK(frame % 16 == 0);
      CHECK(sum[3] == 5);
    }
  }

  TEST_CASE_TEMPLATE("deep recursion uses the flow's own stack", Context, MARTLET_TEST_BACKENDS) {
    bool was_inside = false;
    flow<Context> f(
        [&](auto& self) {
          nest(300, [&] {
            was_inside = stack_span(self.memory()).contains(__builtin_frame_address(0));
            self.suspend();
          });
        },
        std::size_t{1} << 20);
    f.resume();
    f.resume_elsewhere();
    CHECK(f.is_finished());
    CHECK(was_inside);
  }

  TEST_CASE_TEMPLATE("a context can be prepared again", Context, MARTLET_TEST_BACKENDS) {
    const stack memory = pool.take();
    Context context;
    int runs = 0;
    struct shared {
      Context* context;
      int* runs;
    } given{&context, &runs};
    for (int i = 0; i < 9'000; ++i) {
      context.prepare(
          memory,
          [](void* argument) {
            auto& mine = *static_cast<shared*>(argument);
            ++*mine.runs;
            mine.context->suspend();
            mine.context->finish();
          },
          &given);
      carrier here;
      context.resume(here);
      context.resume(here);
    }
    CHECK(runs == 9'000);  // more fibers than TSan knows at once
    pool.give_back(memory);
  }
}

}  // namespace
