#include <martlet/channel/barrier.hpp>

#include <chrono>
#include <vector>

#include <doctest/doctest.h>

#include <martlet/channel.hpp>

#include "crew.hpp"
#include "eventually.hpp"
#include "in_child.hpp"
#include "scale.hpp"
#include "thrown_by.hpp"

namespace {

using namespace std::chrono_literals;
using namespace martlet::testing;
using martlet::await;
using martlet::barrier;
using martlet::misuse;
using martlet::scheduler;
using martlet::task;

template <class Op>
concept fits_select = requires(Op op) { martlet::select(std::move(op), martlet::sleep_for(1ms)); };
static_assert(!fits_select<martlet::detail::barrier_arrival>);
static_assert(fits_select<martlet::detail::event_wait>);

TEST_SUITE("barrier") {
  TEST_CASE("nobody goes on before all have arrived, phase after phase; one of them is told that it was the last") {
    scheduler pool(2);
    constexpr int count = 6;
    barrier step(count);
    const int phases = scaled(1000);
    martlet::base::atomic<int> arrived{0};
    martlet::base::atomic<int> last{0};
    {
      crew all(pool);
      for (int i = 0; i < count; ++i) {
        all.add(
            all_actors[i % 3],
            [&]() -> task<> {
              for (int p = 0; p < phases; ++p) {
                ++arrived;
                const bool is_last = co_await step.arrive_and_wait();
                last += is_last ? 1 : 0;
                CHECK(arrived >= (p + 1) * count);
                static_cast<void>(co_await step.arrive_and_wait());
              }
            },
            [&] {
              for (int p = 0; p < phases; ++p) {
                ++arrived;
                last += await(step.arrive_and_wait()) ? 1 : 0;
                CHECK(arrived >= (p + 1) * count);
                await(step.arrive_and_wait());
              }
            });
      }
    }
    CHECK(arrived == count * phases);
    CHECK(last == phases);
    CHECK(step.arrived() == 0);
  }

  TEST_CASE("an arrival that is cancelled or late is withdrawn") {
    scheduler pool(1);
    barrier step(2);
    CHECK_THROWS_AS(await(martlet::within(1ms, step.arrive_and_wait())), martlet::deadline_passed);
    CHECK(step.arrived() == 0);
    auto waits = pool.spawn([&]() -> task<> { static_cast<void>(co_await step.arrive_and_wait()); });
    REQUIRE(eventually([&] { return waits.state() == martlet::status::blocked; }));
    CHECK(step.arrived() == 1);
    waits.cancel();
    CHECK_THROWS_AS(pool.block_on(std::move(waits)), martlet::cancelled);
    CHECK(step.arrived() == 0);
    CHECK_FALSE(step.try_arrive());
    CHECK(step.arrived() == 0);
  }

  TEST_CASE("who is cancelled or late in the moment in which a phase ends has arrived, or the phase has not ended") {
    scheduler pool(2);
    barrier step(3);
    const int rounds = scaled(10'000);
    int withdrawn = 0;
    for (int i = 0; i < rounds; ++i) {
      const bool by_cancel = i % 2 == 0;
      auto steady = pool.spawn([&]() -> task<bool> { co_return co_await step.arrive_and_wait(); });
      martlet::base::atomic<int> last{0};
      auto wavering = pool.spawn([&]() -> task<bool> {
        try {
          const auto limit = by_cancel ? martlet::deadline() : std::chrono::microseconds(i % 100);
          const bool is_last = co_await martlet::within(limit, step.arrive_and_wait());
          last += is_last ? 1 : 0;
        } catch (const martlet::cancelled&) {
          co_return false;
        } catch (const martlet::deadline_passed&) {
          co_return false;
        }
        co_return true;
      });
      auto third = pool.spawn([&]() -> task<bool> { co_return co_await step.arrive_and_wait(); });
      if (by_cancel) {
        for (int pause = 0; pause < i % 400; ++pause) {
          martlet::base::cpu_pause();
        }
        wavering.cancel();
      }
      if (!pool.block_on(std::move(wavering))) {
        ++withdrawn;
        last += await(step.arrive_and_wait()) ? 1 : 0;  // the other two still wait for one
      }
      last += pool.block_on(std::move(steady)) ? 1 : 0;
      last += pool.block_on(std::move(third)) ? 1 : 0;
      REQUIRE(last == 1);
      REQUIRE(step.arrived() == 0);
    }
    MESSAGE("withdrawn ", withdrawn, " of ", rounds);
  }

  TEST_CASE("who drops out is not waited for any more") {
    scheduler pool(1);
    barrier step(3);
    step.arrive_and_drop();
    CHECK(step.expected() == 2);
    auto waits = pool.spawn([&]() -> task<bool> { co_return co_await step.arrive_and_wait(); });
    REQUIRE(eventually([&] { return waits.state() == martlet::status::blocked; }));
    step.arrive_and_drop();
    CHECK_FALSE(pool.block_on(std::move(waits)));
    CHECK(await(step.arrive_and_wait()));
    CHECK(step.try_arrive());
    step.arrive_and_drop();
    const char* too_many = "barrier: one more arrived than are expected; all have dropped out (arrive_and_drop)";
    CHECK(thrown_by<misuse>([&] { await(step.arrive_and_wait()); }) == too_many);
    CHECK(thrown_by<misuse>([&] { static_cast<void>(step.try_arrive()); }) == too_many);
    CHECK(thrown_by<misuse>([&] { step.arrive_and_drop(); }) == too_many);
    CHECK(thrown_by<misuse>([] { barrier(0); }) == "barrier: made for 0; at least 1 has to arrive in a phase");
  }

  TEST_CASE("destroying one with waiters stops the program" * doctest::skip(MARTLET_TSAN != 0)) {
    CHECK(in_child([] {
            scheduler pool(1);
            auto* b = new barrier(2);
            auto waits = pool.spawn([b]() -> task<> { static_cast<void>(co_await b->arrive_and_wait()); });
            eventually([&] { return waits.state() == martlet::status::blocked; });
            delete b;
          }).said("a barrier was destroyed while 1 tasklets waited at it"));
  }
}

}  // namespace
