#include <doctest/doctest.h>

#include "notice_subjects.hpp"
#include "trial.hpp"

namespace {

using namespace martlet::testing;

TEST_SUITE("histories of notices") {
  TEST_CASE("an event lets go on whoever waits when it is set, and who comes until it is reset") {
    check_histories<event_subject>(histories(2000, 40'000));
  }

  TEST_CASE("a wait group lets go on whoever waits when the last piece is done") {
    check_histories<wait_group_subject>(histories(2000, 40'000));
  }

  TEST_CASE("a notice is for who has waited longest, who has the mutex when its wait is over, however that ends") {
    check_histories<condition_subject>(histories(2000, 40'000));
  }
}

}  // namespace
