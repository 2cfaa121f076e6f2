#include <martlet/base/fork.hpp>

#include <mutex>
#include <thread>

#include <doctest/doctest.h>

#include <martlet/base/spin_lock.hpp>

#include "in_child.hpp"

namespace {

using namespace martlet::testing;
namespace base = martlet::base;

int calls = 0;
int first_before = 0, second_before = 0, first_after = 0, second_after = 0, in_child_calls = 0;

constinit base::fork_hook second{.order = 1001,
                                 .before = []() noexcept { second_before = ++calls; },
                                 .in_parent = []() noexcept { second_after = ++calls; },
                                 .in_child = []() noexcept { ++in_child_calls; }};
constinit base::fork_hook first{.order = 1000,
                                .before = []() noexcept { first_before = ++calls; },
                                .in_parent = []() noexcept { first_after = ++calls; },
                                .in_child = []() noexcept { ++in_child_calls; }};

TEST_SUITE("fork") {
  TEST_CASE("a child has another number than its parent, and a grandchild than both") {
    const auto mine = base::process_generation();
    CHECK(mine == base::process_generation());
    CHECK_FALSE(base::is_child_of_fork());
    const child_end end = in_child([mine] {
      const auto childs = base::process_generation();
      const child_end grandchild = in_child([&] {
        const auto its = base::process_generation();
        ::_exit(its != mine && its != childs && base::is_child_of_fork() ? 0 : 1);
      });
      ::_exit(childs != mine && childs == base::process_generation() && grandchild.exited_with(0) ? 0 : 1);
    });
    CHECK(end.exited_with(0));
    CHECK(base::process_generation() == mine);
  }

  TEST_CASE("hooks are called in their order before a fork, and in the other one after it, once each") {
    base::register_fork_hook(second);
    base::register_fork_hook(first);
    base::register_fork_hook(first);
    const child_end end = in_child([] { ::_exit(in_child_calls == 2 ? 0 : 1); });
    CHECK(end.exited_with(0));
    CHECK(in_child_calls == 0);
    CHECK(first_before == 1);
    CHECK(second_before == 2);
    CHECK(second_after == 3);
    CHECK(first_after == 4);
  }

  TEST_CASE("a child knows whether it has but one thread") {
    std::mutex until_the_end;
    until_the_end.lock();
    std::thread other([&] { until_the_end.lock(); });
    CHECK_FALSE(base::is_only_thread());
    const child_end end = in_child([] { ::_exit(base::is_only_thread() ? 0 : 1); });
    CHECK(end.exited_with(0));
    until_the_end.unlock();
    other.join();
  }

  TEST_CASE("a lock that another thread held at the fork stops the child with a sentence") {
    base::spin_lock held, free_one;
    held.lock();
    const child_end end = in_child([&] {
      held.abandon_if_held();
      free_one.abandon_if_held();
      free_one.lock();
      free_one.unlock();
      if (held.try_lock()) {
        ::_exit(1);
      }
      held.lock();
    });
    CHECK(end.was_aborted());
    CHECK(end.said("make new ones in the child"));
  }
}

}  // namespace
