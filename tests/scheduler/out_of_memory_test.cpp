#include <martlet/scheduler.hpp>

#include <cerrno>
#include <cstring>
#include <new>
#include <system_error>
#include <thread>
#include <tuple>
#include <vector>

#include <unistd.h>

#include <doctest/doctest.h>

#include "in_child.hpp"
#include "little_memory.hpp"
#include "scale.hpp"

// All of it in children, which have little memory. Sanitizers need terabytes of address space.
namespace {

using namespace martlet::testing;
using martlet::scheduler;
using martlet::task;
using block = martlet::detail::roster::block;
using counter = martlet::base::atomic<int>;

task<int> number(int n) { co_return n; }

template <std::size_t Size>
task<> large_frame() {
  char room[Size];
  std::memset(room, 1, Size);
  asm volatile("" ::"r"(room) : "memory");  // clang would keep one byte of it
  co_await martlet::sleep_for(std::chrono::hours(1));
  asm volatile("" ::"r"(room) : "memory");
  if (room[Size / 2] != 1) {
    ::_exit(9);
  }
}

TEST_SUITE("out of memory") {
  TEST_CASE("a fiber for whose stack there is no room is refused at spawn, and the scheduler goes on") {
    if constexpr (is_watched) {
      return;
    }
    const auto end = in_child([] {
      scheduler pool(1);
      pool.block_on(number(1));
      allow_more(300 << 20);
      counter go{0}, ended{0};
      int spawned = 0;
      bool is_refused = false;
      try {
        for (; spawned < 1'000'000; ++spawned) {
          pool.spawn([&] {
            while (go.load() == 0) {
              martlet::await(martlet::sleep_for(std::chrono::milliseconds(1)));
            }
            ++ended;
          });
        }
      } catch (const std::system_error& refused) {
        is_refused = refused.code().value() == ENOMEM && std::strstr(refused.what(), "more stacks") != nullptr;
      }
      go = 1;
      while (ended != spawned) {
        std::this_thread::yield();
      }
      const bool goes_on = pool.block_on(pool.spawn([] { return 7; })) == 7 && pool.block_on(number(8)) == 8;
      ::_exit(is_refused && spawned > 1000 && goes_on ? 42 : 43);
    });
    CHECK(end.exited_with(42));
  }

  TEST_CASE("a blocking call for which there is neither a thread nor memory throws") {
    if constexpr (is_watched) {
      return;
    }
    const auto end = in_child([] {
      scheduler pool(1);
      pool.block_on(number(1));  // what this thread needs for a wait is there
      pool.block_on([]() -> task<> {
        eat_all();
        try {
          co_await martlet::blocking([] {});
        } catch (const std::bad_alloc&) {
          ::_exit(42);
        } catch (const std::system_error&) {
          ::_exit(42);  // something was left for its sentence after all
        }
      }());
    });
    CHECK(end.exited_with(42));
  }

  TEST_CASE("a child for which its scope has no room is refused, and its place among the tasklets is free again") {
    if constexpr (is_watched) {
      return;
    }
    const auto end = in_child([]() noexcept {
      constexpr int room = static_cast<int>(std::tuple_size_v<decltype(block::places)>);
      scheduler pool({.workers = 1, .most_tasklets = room + 2});
      pool.block_on(number(1));  // what this thread needs for a wait is there
      const bool is_right = pool.block_on([]() -> task<bool> {
        std::vector<task<int>> children;
        for (int i = 0; i < room + 2; ++i) {
          children.push_back(number(i));  // their frames, as long as there is memory
        }
        const auto child = [&children](int i) { return std::move(children[static_cast<std::size_t>(i)]); };
        co_return co_await martlet::in_scope([child](martlet::scope& in) -> task<bool> {
          in.spawn(child(0));  // with it the scope gets places for so many
          eat_all();
          try {
            for (;;) {
              martlet::detail::allocate_frame(2 * sizeof(block));  // as its next row
            }
          } catch (const std::bad_alloc&) {}
          for (int i = 1; i < room; ++i) {
            in.spawn(child(i));
          }
          bool is_refused = false;
          try {
            in.spawn(child(room));
          } catch (const std::bad_alloc&) {
            is_refused = true;
          }
          const int last = co_await martlet::spawn(child(room + 1)).join();
          co_return last == room + 1 && is_refused;
        });
      }());
      ::_exit(is_right ? 42 : 43);
    });
    CHECK(end.exited_with(42));
  }

  TEST_CASE("a frame for which there is no room throws bad_alloc at the call, and the scheduler goes on") {
    if constexpr (is_watched) {
      return;
    }
    const auto end = in_child([] {
      scheduler pool(1);
      pool.block_on(number(1));
      allow_more(100 << 20);
      bool is_refused = false;
      int spawned = 0;
      const bool goes_on = pool.block_on([](bool& refused, int& count) -> task<bool> {
        std::vector<martlet::handle<>> all;
        all.reserve(10'000);
        try {
          for (; count < 10'000; ++count) {
            all.push_back(martlet::spawn(large_frame<100'000>()));
          }
        } catch (const std::bad_alloc&) {
          refused = true;
        }
        co_await martlet::sleep_for(std::chrono::milliseconds(1));
        for (auto& one : all) {
          one.cancel();
        }
        for (auto& one : all) {
          try {
            co_await one.join();
          } catch (const martlet::cancelled&) {}
        }
        co_return co_await martlet::spawn(number(7)).join() == 7;
      }(is_refused, spawned));
      ::_exit(is_refused && spawned > 100 && goes_on ? 42 : 43);
    });
    CHECK(end.exited_with(42));
  }
}

}  // namespace
