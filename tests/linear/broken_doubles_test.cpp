#include "broken_doubles.hpp"

#include <doctest/doctest.h>

#include "trial.hpp"

namespace {

using namespace martlet::testing;

// A hundred times as many as it takes: when a history is the right one is a matter of luck.
constexpr int most = 30'000;

template <class Subject, class... More>
void check_is_refused(const More&... more) {
  const int needed = histories_until_refused<Subject>(most, more...);
  MESSAGE("refused after ", needed, " histories");
  CHECK(needed != 0);
}

// Threads that pause meet where it matters.
template <class Subject, class... More>
void check_pauses_help(int count, const More&... more) {
  const int without = refused_of<Subject>(count, pauses::never, more...);
  const int with = refused_of<Subject>(count, pauses::drawn, more...);
  MESSAGE("refused of ", count, " histories: ", with, ", without pauses ", without);
  CHECK(with > 2 * without);
}

TEST_SUITE("broken doubles") {
  TEST_CASE("a channel that loses a value when a cancel comes is refused") {
    check_is_refused<forgetful_channels>(false);
  }

  TEST_CASE("a select that loses a value when a cancel comes is refused") {
    check_is_refused<forgetful_channels>(true);
  }

  TEST_CASE("a channel that gives the newest value first is refused, and one that gives the oldest is not") {
    check_is_refused<small_channel>(true);
    check_histories<small_channel>(200, false);
  }

  TEST_CASE("a mutex at which the newest overtakes is refused") { check_is_refused<overtaking_mutex>(); }

  TEST_CASE("a lock that looks and then takes is refused, and more often where threads pause") {
    check_pauses_help<hasty_lock>(1000);
  }

  TEST_CASE("a semaphore that looks and then writes is refused, and more often where threads pause") {
    check_pauses_help<hasty_semaphore>(1000);
  }
}

}  // namespace
