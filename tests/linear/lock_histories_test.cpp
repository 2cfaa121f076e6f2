#include <doctest/doctest.h>

#include "lock_subjects.hpp"
#include "trial.hpp"

namespace {

using namespace martlet::testing;

TEST_SUITE("histories of locks") {
  TEST_CASE("a mutex has one owner at a time and serves those who wait in their order") {
    check_histories<mutex_subject<martlet::mutex>>(histories(2000, 40'000));
  }

  TEST_CASE("a recursive mutex is its owner's again, and free when it was unlocked as often") {
    check_histories<mutex_subject<martlet::recursive_mutex>>(histories(2000, 40'000));
  }

  TEST_CASE("a semaphore gives no more than it has, in the order of the requests") {
    check_histories<semaphore_subject>(histories(2000, 40'000));
  }

  TEST_CASE("a shared mutex has one writer or some readers, in the order in which they came") {
    check_histories<shared_mutex_subject>(histories(2000, 40'000));
  }
}

}  // namespace
