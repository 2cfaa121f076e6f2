#include <doctest/doctest.h>

#include "crosswise.hpp"
#include "scale.hpp"

namespace {

using namespace martlet::testing;
using martlet::scheduler;

TEST_SUITE("select under long race") {
  TEST_CASE("no message is lost or doubled by many selects of all kinds") {
    for (const int workers : {2, 4}) {
      for (const std::size_t room : {0U, 1U, 16U}) {
        scheduler pool(workers);
        crosswise traffic(pool, room, 4, by_level(1000, 100'000));
        const auto result = traffic.run();
        CHECK(result.offered == result.kept + result.arrived);
        CHECK(result.is_balanced);
      }
    }
  }
}

}  // namespace
