#include <doctest/doctest.h>

#include "channel_subject.hpp"
#include "trial.hpp"

namespace {

using namespace martlet::testing;

TEST_SUITE("histories of channels") {
  TEST_CASE("whatever happens in a channel, some order of its operations explains") {
    check_histories<channel_subject>(histories(3000, 60'000), false);
  }

  TEST_CASE("whatever selects do over two channels, some order explains, each case done once or not at all") {
    check_histories<channel_subject>(histories(3000, 60'000), true);
  }
}

}  // namespace
