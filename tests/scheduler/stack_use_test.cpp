#include <martlet/scheduler.hpp>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <system_error>
#include <vector>

#include <alloca.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "in_child.hpp"
#include "scale.hpp"

namespace {

using martlet::fiber_options;
using martlet::scheduler;
using martlet::stack_use;
using martlet::testing::in_child;
using martlet::testing::is_watched;

[[gnu::noinline]] std::size_t touch(std::size_t bytes) {
  auto* room = static_cast<volatile char*>(::alloca(bytes));
  for (std::size_t i = bytes; i > 0; --i) {  // downwards, as a recursion would
    room[i - 1] = 1;
  }
  return bytes;
}

stack_use of_size(std::size_t size) {
  for (const stack_use& one : martlet::stack_uses()) {
    if (one.size == size) {
      return one;
    }
  }
  return {};
}

void print_stack_uses() {
  for (const martlet::stack_use& of : martlet::stack_uses()) {
    std::printf("%zu of %zu bytes\n", of.deepest, of.size);
  }
}

TEST_SUITE("stack use") {
  TEST_CASE("a tasklet learns how deep its stack was used, and so does everybody afterwards") {
    if constexpr (is_watched) {
      return;  // a sanitizer may keep locals elsewhere
    }
    scheduler pool(1);
    CHECK(martlet::stack_high_water() == 0);
    for (const std::size_t depth : {std::size_t{20'000}, std::size_t{200'000}, std::size_t{100'000}}) {
      static std::size_t deepest = 0;
      const bool is_deeper = depth > deepest;
      deepest = is_deeper ? depth : deepest;
      const auto used = pool.block_on(pool.spawn(
          [depth] {
            touch(depth);
            return martlet::stack_high_water();
          },
          fiber_options{.stack_size = std::size_t{256} << 10}));
      CHECK(used >= deepest);  // the stack is used again, and nobody wipes it
      CHECK(used <= deepest + 4 * 4096);
      const stack_use all = of_size(std::size_t{256} << 10);
      CHECK(all.in_use == 0);
      CHECK(all.deepest == used);
    }
    CHECK(of_size(std::size_t{512} << 10).size == 0);
    print_stack_uses();
  }

  TEST_CASE("fibers that wait for their first turn share the pages of those that have ended") {
    if constexpr (!martlet::detail::context::inherits_apart) {
      return;
    }
    scheduler pool(1);
    const std::size_t before = martlet::detail::stacks().counts().warm;
    int ended = 0;
    pool.block_on(pool.spawn([&] {
      martlet::scope all;
      for (int i = 0; i < 5000; ++i) {
        all.spawn([&] { ++ended; });
      }
      all.join();
    }));
    CHECK(ended == 5000);
    CHECK(martlet::detail::stacks().counts().warm <= before + 2);  // the parent's and theirs
  }

  TEST_CASE("a coroutine has no stack of its own to measure") {
    scheduler pool(1);
    CHECK(pool.block_on([]() -> martlet::task<std::size_t> { co_return martlet::stack_high_water(); }()) == 0);
  }

  TEST_CASE("a stack size that cannot be meant is refused at every spawn, and nothing is left behind") {
    scheduler pool(1);
    const std::size_t taken = martlet::detail::stacks().counts().taken;
    const auto is_refused = [](auto spawn) {
      try {
        spawn(fiber_options{.stack_size = 12});
      } catch (const martlet::misuse& refused) {
        return std::strstr(refused.what(), "12 were asked for") != nullptr;
      }
      return false;
    };
    CHECK(is_refused([&](fiber_options options) { pool.spawn([] {}, options); }));
    CHECK(pool.block_on(pool.spawn([&] {
      return is_refused([](fiber_options options) { martlet::spawn([] {}, options); }) &&
             is_refused([](fiber_options options) {
               martlet::scope all;
               all.spawn([] {}, options);
             });
    })));
    CHECK(pool.block_on(pool.spawn([] { return 5; }, fiber_options{.stack_size = 0})) == 5);
    CHECK(martlet::detail::stacks().counts().taken == taken);
  }

  TEST_CASE("where guards cost mappings spawn refuses past their limit, unless none is asked for") {
    const auto end = in_child([] {
      martlet::detail::stacks().unmap();  // whatever tests before have taken
      martlet::detail::stacks().set_options({.light_guards = false, .map_limit = 80});
      scheduler pool(1);
      martlet::base::atomic<int> ended{0};
      martlet::base::atomic<bool> go{false};
      const auto waits = [&] {
        while (!go.load()) {
          martlet::await(martlet::sleep_for(std::chrono::milliseconds(1)));
        }
        ++ended;
      };
      int spawned = 0;
      bool is_refused = false;
      try {
        for (; spawned < 100; ++spawned) {
          pool.spawn(waits);
        }
      } catch (const std::system_error& refused) {
        is_refused = refused.code().value() == ENOMEM && std::strstr(refused.what(), "vm.max_map_count") != nullptr;
      }
      for (int i = 0; i < 100; ++i) {
        pool.spawn(waits, {.unguarded = true});
      }
      go = true;
      while (ended != spawned + 100) {
        ::usleep(100);
      }
      pool.block_on(pool.spawn([] {}));  // one with a guard is free again
      ::_exit(is_refused && spawned == 35 ? 42 : 43);
    });
    CHECK(end.exited_with(42));
  }
}

}  // namespace
