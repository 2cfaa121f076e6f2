#include <martlet/channel/wait_group.hpp>

#include <chrono>
#include <cstdint>

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
using martlet::misuse;
using martlet::scheduler;
using martlet::task;
using martlet::wait_group;

TEST_SUITE("wait_group") {
  TEST_CASE("all who wait go on when the last piece is done, and see what was done") {
    scheduler pool(2);
    for (int round = 0; round < scaled(200); ++round) {
      wait_group pieces;
      int done[6] = {};
      martlet::base::atomic<int> went_on{0};
      pieces.add(6);
      crew all(pool);
      const auto look = [&] {
        int sum = 0;
        for (const int one : done) {
          sum += one;
        }
        CHECK(sum == 6);
        ++went_on;
      };
      for (int i = 0; i < 3; ++i) {
        all.add(
            all_actors[i],
            [&]() -> task<> {
              co_await pieces.wait();
              look();
            },
            [&] {
              await(pieces.wait());
              look();
            });
      }
      for (int i = 0; i < 6; ++i) {
        const auto work = [&, i] {
          done[i] = 1;
          pieces.done();
        };
        all.add(
            all_actors[i % 3],
            [work]() -> task<> {
              work();
              co_return;
            },
            work);
      }
      all.join();
      CHECK(went_on == 3);
      CHECK(pieces.count() == 0);
    }
  }

  TEST_CASE("with nothing to do one does not wait; afterwards it may be used again") {
    wait_group pieces;
    await(pieces.wait());
    pieces.add();
    CHECK(pieces.count() == 1);
    CHECK_THROWS_AS(await(martlet::within(1ms, pieces.wait())), martlet::deadline_passed);
    pieces.done();
    await(pieces.wait());
    wait_group with_some(2);
    CHECK(with_some.count() == 2);
    with_some.add(-2);
    await(with_some.wait());
  }

  TEST_CASE("less than none, or too much, is a misuse and changes nothing") {
    wait_group pieces(1);
    CHECK(thrown_by<misuse>([&] { pieces.add(-2); }) ==
          "wait_group: -2 was added to 1 open pieces; call add before the work begins and done once for each piece");
    CHECK(pieces.count() == 1);
    CHECK(
        thrown_by<misuse>([] { const wait_group negative(static_cast<std::size_t>(-1)); }) ==
        "wait_group: made with 18446744073709551615 pieces; at most 9223372036854775807 are possible (was it a negative "
        "number?)");
    CHECK_THROWS_AS(pieces.add(PTRDIFF_MAX), misuse);
    CHECK(pieces.count() == 1);
    pieces.done();
    CHECK(thrown_by<misuse>([&] { pieces.done(); }) ==
          "wait_group: -1 was added to 0 open pieces; call add before the work begins and done once for each piece");
  }

  TEST_CASE("destroying one with waiters stops the program" * doctest::skip(MARTLET_TSAN != 0)) {
    CHECK(in_child([] {
            scheduler pool(1);
            auto* g = new wait_group(1);
            auto waits = pool.spawn([g]() -> task<> { co_await g->wait(); });
            eventually([&] { return waits.state() == martlet::status::blocked; });
            delete g;
          }).said("a wait_group was destroyed while 1 tasklets waited for it"));
  }
}

}  // namespace
