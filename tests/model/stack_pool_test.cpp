#include <doctest/doctest.h>

#include <cstddef>

#include <martlet/tasklet/stack_pool.hpp>

#include "checker/explore.hpp"
#include "checker/mutants.hpp"
#include "checker/var.hpp"
#include "listed.hpp"

// Stacks that go from thread to thread, and a fault handler that looks for the one whose guard was hit.

namespace base = martlet::base;
namespace detail = martlet::detail;
using namespace martlet::model;

namespace {

// A slab of the largest class has eight stacks. What is done on a stack is plain data, so that two that have one race.
struct pool_of_eight {
  ~pool_of_eight() { pool.unmap(); }

  detail::stack take(detail::guard_policy policy) {
    const detail::stack mine = pool.take(detail::stack_pool::largest_bytes, policy);
    used[mine.record->index].set(used[mine.record->index].get() + 1);
    return mine;
  }
  void give_back(const detail::stack& mine) {
    used[mine.record->index].set(0);
    pool.give_back(mine);
  }

  detail::stack_pool pool;
  var<int> used[8];
};

// Without guards: how one is made depends on the kernel.
void two_that_take() {
  pool_of_eight all;
  const auto take_and_give_back = [&all] {
    const detail::stack mine = all.take(detail::guard_policy::unguarded);
    require(all.used[mine.record->index].get() == 1, "nobody else has it");
    all.give_back(mine);
  };
  run_threads({{"one", take_and_give_back}, {"other", take_and_give_back}});
  require(all.pool.counts().taken == 0, "all were given back");
}

// A fiber runs over the end of its stack, on a thread that did not take it.
void one_that_faults() {
  pool_of_eight all;
  base::atomic<const std::byte*> guard{nullptr};
  var<int> head{0};  // stands for the head of the slab, which is mapped and written now
  run_threads({{"takes",
                [&] {
                  head.set(1);
                  const detail::stack mine = all.take(detail::guard_policy::guarded);
                  guard.store(mine.low - 1, base::relaxed);  // nothing else says to the handler that the stack is there
                  all.give_back(mine);
                }},
               {"faults", [&] {
                  const std::byte* const at = guard.load(base::relaxed);
                  if (at != nullptr && all.pool.guard_of(at).has_value()) {
                    require(head.get() == 1, "who finds the slab finds what is in its head");
                  }
                }}});
}

}  // namespace

TEST_SUITE("stack pool") {
  TEST_CASE("a stack is one thread's at a time, and a fault handler finds what it lies in") {
    check({
        {"two that take and give back", two_that_take, 3'350},
        {"one that takes, one that faults", one_that_faults, 7},
    });
  }

  TEST_CASE("mutants: no order can be weaker") {
    const auto unexplained = unexplained_mutants({two_that_take, one_that_faults}, {"[stack.slab]"}, {});
    INFO(doctest::toString(unexplained));
    CHECK(unexplained.empty());
  }
}
