// What is caught, and what is in flight, belongs to a thread in C++; here it goes with the fiber.
#include <martlet/martlet.hpp>

#include <exception>
#include <stdexcept>
#include <string>

#include <doctest/doctest.h>

#include "scale.hpp"
#include "thread_now.hpp"

namespace {

using namespace martlet::testing;
using martlet::scheduler;
using martlet::task;
using counter = martlet::base::atomic<int>;

void move(counter& moved) {
  const auto before = thread_now();
  martlet::await(martlet::yield());
  moved += thread_now() == before ? 0 : 1;
}

struct moves_when_destroyed {
  counter& moved;
  int in_flight;
  bool& was_right;
  ~moves_when_destroyed() {
    move(moved);
    try {  // one that is thrown and caught on the way changes nothing
      move(moved);
      throw std::runtime_error("on the way");
    } catch (const std::runtime_error&) {
      move(moved);
    }
    was_right = was_right && std::uncaught_exceptions() == in_flight;
  }
};

std::string text_of_current() {
  try {
    std::rethrow_exception(std::current_exception());
  } catch (const std::exception& e) {
    return e.what();
  }
}

// Goes through everything that an exception may be in the middle of, and moves there.
bool survives(int me, counter& moved) {
  const std::string outer = "outer " + std::to_string(me);
  const std::string inner = "inner " + std::to_string(me);
  bool was_right = true;
  try {
    const moves_when_destroyed on_the_way{moved, 1, was_right};
    throw std::runtime_error(outer);
  } catch (const std::runtime_error& caught) {
    move(moved);
    was_right = was_right && caught.what() == outer && std::uncaught_exceptions() == 0 && text_of_current() == outer;
    try {
      const moves_when_destroyed on_the_way{moved, 1, was_right};
      throw std::logic_error(inner);
    } catch (...) {
      move(moved);
      was_right = was_right && text_of_current() == inner;
    }
    move(moved);
    was_right = was_right && text_of_current() == outer;
    try {
      throw;
    } catch (const std::runtime_error& again) {
      move(moved);
      was_right = was_right && again.what() == outer;
    }
    try {
      std::throw_with_nested(std::logic_error(inner));
    } catch (const std::nested_exception& both) {
      move(moved);
      try {
        both.rethrow_nested();
      } catch (const std::runtime_error& first) {
        move(moved);
        was_right = was_right && first.what() == outer;
      }
    }
  }
  return was_right && std::current_exception() == nullptr && std::uncaught_exceptions() == 0;
}

task<> throws_after(int waits, const std::string& text, counter& moved) {
  for (int i = 0; i < waits; ++i) {
    const auto before = thread_now();
    co_await martlet::yield();
    moved += thread_now() == before ? 0 : 1;
  }
  throw std::runtime_error(text);
}

TEST_SUITE("exceptions") {
  TEST_CASE("go with a fiber from thread to thread, in a catch block, in a destructor that unwinds, nested") {
    scheduler pool({.workers = 2, .migrate_always = true});
    counter moved{0};
    counter right{0};
    const int many = fibers(100);
    martlet::scope all(pool);
    for (int i = 0; i < many; ++i) {
      all.spawn([&, i] {
        for (int round = 0; round < 20; ++round) {
          right += survives(i, moved) ? 1 : 0;
        }
      });
    }
    all.join();
    CHECK(right == 20 * many);
    CHECK(moved > right);
  }

  TEST_CASE("go through coroutines that wait between throw and catch") {
    scheduler pool({.workers = 2, .migrate_always = true});
    counter moved{0};
    counter right{0};
    martlet::scope all(pool);
    for (int i = 0; i < 200; ++i) {
      all.spawn([&, i]() -> task<> {
        const std::string text = "text " + std::to_string(i);
        std::exception_ptr kept;
        try {
          co_await throws_after(i % 5, text, moved);
        } catch (...) {
          kept = std::current_exception();
        }
        co_await martlet::yield();
        try {
          std::rethrow_exception(kept);
        } catch (const std::runtime_error& e) {
          right += e.what() == text && std::uncaught_exceptions() == 0 ? 1 : 0;
        }
      });
    }
    all.join();
    CHECK(right == 200);
    CHECK(moved > 0);
  }
}

}  // namespace
