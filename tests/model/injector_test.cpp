#include <doctest/doctest.h>

#include <array>

#include <martlet/base/injector.hpp>

#include "checker/explore.hpp"
#include "checker/mutants.hpp"
#include "checker/var.hpp"
#include "listed.hpp"

// Work that comes from outside. The queue under it is the checker's own (checker/concurrent_queue.hpp).

namespace base = martlet::base;
using namespace martlet::model;

namespace {

struct item {
  var<int> taken;
};

struct handed {
  base::injector<item*> queue;
  std::array<item, 3> items;

  void push(std::size_t which) {
    items[which].taken.set(0);
    require(queue.try_push(&items[which]), "there is memory");
  }
  bool pop() {
    item* got = nullptr;
    if (!queue.try_pop(got)) {
      return false;
    }
    got->taken.set(got->taken.get() + 1);
    return true;
  }
  void end(std::size_t pushed) {
    while (pop()) {}
    require(queue.size() == 0, "the count tells the truth in the end");
    for (std::size_t i = 0; i < pushed; ++i) {
      require(items[i].taken.get() == 1, "each item is taken once");
    }
  }
};

void two_that_push() {
  handed all;
  run_threads({{"one", [&] { all.push(0); }}, {"other", [&] { all.push(1); }}, {"pops", [&] { all.pop(); }}});
  all.end(2);
}

void two_that_pop() {
  handed all;
  run_threads({{"pushes",
                [&] {
                  all.push(0);
                  all.push(1);
                }},
               {"one", [&] { all.pop(); }},
               {"other", [&] { all.pop(); }}});
  all.end(2);
}

// One that goes to sleep says so and looks; one that pushes looks for sleepers.
void one_that_sleeps() {
  handed all;
  base::atomic<bool> is_asleep{false};
  bool sees_sleeper = false, sees_work = false;
  run_threads({{"pushes",
                [&] {
                  all.push(0);
                  sees_sleeper = is_asleep.load(base::seq_cst);
                }},
               {"sleeps", [&] {
                  is_asleep.store(true, base::seq_cst);
                  sees_work = !all.queue.seems_empty();
                }}});
  require(sees_sleeper || sees_work, "one of the two sees the other");
  all.end(1);
}

}  // namespace

TEST_SUITE("injector") {
  TEST_CASE("each item is taken once, with what was done before it was pushed") {
    check({
        {"two that push, one that pops", two_that_push, 36},
        {"one that pushes twice, two that pop", two_that_pop, 496},
    });
  }

  TEST_CASE("nobody goes to sleep over what has been pushed") {
    check({{"one that pushes, one that sleeps", one_that_sleeps, 3}});
  }

  TEST_CASE("mutants: no order can be weaker") {
    const auto unexplained = unexplained_mutants({two_that_push, two_that_pop, one_that_sleeps}, {"injector.hpp"}, {});
    INFO(doctest::toString(unexplained));
    CHECK(unexplained.empty());
  }
}
