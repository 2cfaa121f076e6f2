#include <doctest/doctest.h>

#include <martlet/base/fork.hpp>

#include "checker/explore.hpp"
#include "checker/mutants.hpp"
#include "checker/var.hpp"
#include "listed.hpp"

// What a process keeps about its forks is made by whichever threads ask first. Nobody forks here.

namespace base = martlet::base;
using namespace martlet::model;

namespace {

// The page that the number lies in is mapped by one of them, and used by both.
void two_that_ask_first() {
  const auto ask = [] { require(base::process_generation() == 1, "the first process has the first number"); };
  run_threads({{"one", ask}, {"other", ask}});
}

void nothing() noexcept {}

// Whoever finds the hook registered may rely on what was done for that. The list of hooks is plain and stays from one execution
// to the next, so the hook does too; nobody forks, who would walk over it.
constinit base::fork_hook hook{.order = 1, .before = nothing, .in_parent = nothing, .in_child = nothing};

void one_that_registers() {
  var<int> made{0};
  base::atomic<int> makers{0};
  const auto use = [&] {
    if (makers.fetch_add(1, base::relaxed) == 0) {
      made.set(1);
      base::register_fork_hook_slowly(hook);
    } else if (hook.is_registered.load(base::relaxed)) {
      base::register_fork_hook(hook);
      require(made.get() == 1, "what was made before the hook was registered is there");
    }
  };
  run_threads({{"one", use}, {"other", use}});
}

}  // namespace

TEST_SUITE("fork") {
  TEST_CASE("there is one number of the process, and a registered hook is whole") {
    check({
        {"two that ask first", two_that_ask_first, 4},
        {"one that registers a hook, one that finds it registered", one_that_registers, 4},
    });
  }

  TEST_CASE("mutants: no order can be weaker") {
    const auto unexplained = unexplained_mutants({two_that_ask_first, one_that_registers}, {"[fork."}, {});
    INFO(doctest::toString(unexplained));
    CHECK(unexplained.empty());
  }
}
