#include <martlet/channel.hpp>

#include <memory>
#include <vector>

#include <doctest/doctest.h>

#include <martlet/scheduler.hpp>

#include "scale.hpp"

namespace {

using namespace martlet::testing;
using martlet::channel;
using martlet::scheduler;
using martlet::task;

// Ten million in every build tree: a stack that grew by one byte each would be noticed.
constexpr int many = 10'000'000;

task<int> one() { co_return 1; }
task<int> through(int depth) {
  if (depth == 0) {
    co_return 0;
  }
  co_return 1 + co_await through(depth - 1);
}

TEST_SUITE("transfers never grow the stack") {
  TEST_CASE("ten million children awaited in a loop") {
    scheduler pool(1);
    CHECK(pool.block_on([]() -> task<long> {
      long sum = 0;
      for (int i = 0; i < many; ++i) {
        sum += co_await one();
      }
      co_return sum;
    }()) == many);
  }

  TEST_CASE("a chain of awaits a million deep, built and unwound ten times") {
    scheduler pool(1);
    const int depth = is_watched ? 100'000 : 1'000'000;
    for (int i = 0; i < many / 1'000'000; ++i) {
      CHECK(pool.block_on(through(depth)) == depth);
    }
  }

  TEST_CASE("ten million hand-offs between two tasklets") {
    scheduler pool(1);
    channel<int> c;
    pool.spawn([](channel<int>& out) -> task<> {
      for (int i = 0; i < many; ++i) {
        co_await out.send(1);
      }
      out.close();
    }(c));
    CHECK(pool.block_on([](channel<int>& in) -> task<long> {
      long sum = 0;
      while (auto n = co_await in.receive()) {
        sum += *n;
      }
      co_return sum;
    }(c)) == many);
  }

  TEST_CASE("a fiber awaits a million tasks, and a million operations that succeed at once") {
    scheduler pool(1);
    constexpr int count = is_watched ? many / 100 : many / 10;
    CHECK(pool.block_on(pool.spawn([] {
      channel<int> c(1);
      long sum = 0;
      for (int i = 0; i < count; ++i) {
        sum += martlet::await(one());
        martlet::await(c.send(1));
        sum += *martlet::await(c.receive());
      }
      return sum;
    })) == 2L * count);
  }

  TEST_CASE("a token passes through a chain of tasklets again and again") {
    scheduler pool(1);
    constexpr int length = 100;
    const int rounds = many / length / (is_watched ? 10 : 1);
    std::vector<std::unique_ptr<channel<int>>> links;
    for (int i = 0; i <= length; ++i) {
      links.push_back(std::make_unique<channel<int>>());
    }
    for (std::size_t i = 0; i < length; ++i) {
      pool.spawn([](channel<int>& in, channel<int>& out) -> task<> {
        while (auto n = co_await in.receive()) {
          co_await out.send(*n + 1);
        }
        out.close();
      }(*links[i], *links[i + 1]));
    }
    pool.spawn([](channel<int>& out, int count) -> task<> {
      for (int i = 0; i < count; ++i) {
        co_await out.send(0);
      }
      out.close();
    }(*links.front(), rounds));
    CHECK(pool.block_on([](channel<int>& in) -> task<long> {
      long sum = 0;
      while (auto n = co_await in.receive()) {
        sum += *n;
      }
      co_return sum;
    }(*links.back())) == static_cast<long>(rounds) * length);
  }
}

}  // namespace
