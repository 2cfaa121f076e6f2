#include "ring_buffer.hpp"
#include "shared_ring.hpp"

#include <cstdint>
#include <deque>
#include <random>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "scale.hpp"

namespace {

using martlet::detail::ring_buffer;
using martlet::detail::shared_ring;
using martlet::testing::scaled;
namespace base = martlet::base;

TEST_SUITE("ring_buffer") {
  TEST_CASE("it does what a deque does") {
    std::mt19937 random(7);
    ring_buffer<int> ring;
    std::deque<int> model;
    for (int i = 0; i < 100'000; ++i) {
      const bool grows = (i / 5000) % 2 == 0;
      const auto what = random() % 4;
      if (what < (grows ? 3U : 1U)) {
        REQUIRE(ring.push_back(i));
        model.push_back(i);
      } else if (!model.empty()) {
        if (what % 2 == 0) {
          REQUIRE(ring.pop_front() == model.front());
          model.pop_front();
        } else {
          REQUIRE(ring.pop_back() == model.back());
          model.pop_back();
        }
      }
      REQUIRE(ring.size() == model.size());
      REQUIRE(ring.empty() == model.empty());
      if (random() % 64 == 0) {
        ring.trim();
      }
    }
  }

  TEST_CASE("it grows without limit and can be used again after a trim") {
    ring_buffer<int> ring;
    for (int round = 0; round < 2; ++round) {
      for (int i = 0; i < 100'000; ++i) {
        REQUIRE(ring.push_back(i));
      }
      CHECK(ring.is_large());
      for (int i = 0; i < 100'000; ++i) {
        REQUIRE(ring.pop_front() == i);
      }
      ring.trim();
      CHECK(ring.empty());
      CHECK(!ring.is_large());
    }
  }
}

TEST_SUITE("shared_ring") {
  TEST_CASE("it is first in, first out, and knows its room") {
    shared_ring<std::uintptr_t, 8> ring;
    std::uintptr_t next = 1;
    const auto numbers = [&] { return next++; };
    CHECK(ring.empty());
    CHECK(ring.empty_for_sleeper());
    CHECK(ring.take() == 0);
    for (std::uintptr_t expected = 1; expected < 1000;) {
      ring.offer(ring.room(), numbers);
      CHECK(ring.room() == 0);
      CHECK(!ring.empty());
      for (int i = 0; i < 5; ++i) {
        REQUIRE(ring.take() == expected++);
      }
      CHECK(ring.room() == 5);
    }
  }

  TEST_CASE("half is the older half, rounded up, and at most what is asked for") {
    shared_ring<std::uintptr_t, 16> ring;
    std::uintptr_t next = 1;
    ring.offer(7, [&] { return next++; });
    std::uintptr_t items[16] = {};
    CHECK(ring.take_half(items, 16) == 4);
    CHECK(items[0] == 1);
    CHECK(items[3] == 4);
    CHECK(ring.take_half(items, 1) == 1);
    CHECK(items[0] == 5);
    CHECK(ring.take_half(items, 16) == 1);
    CHECK(ring.take_half(items, 16) == 1);
    CHECK(ring.take_half(items, 16) == 0);
  }

  TEST_CASE("each item is taken by exactly one of owner and thieves") {
    shared_ring<std::uintptr_t, 32> ring;
    const std::uintptr_t all = static_cast<std::uintptr_t>(scaled(1'000'000));
    std::vector<base::atomic<std::uint8_t>> seen(all + 1);
    base::atomic<std::uintptr_t> taken{0};
    const auto note = [&](std::uintptr_t item) {
      ++seen[item];
      ++taken;
    };
    std::vector<std::thread> thieves;
    for (int t = 0; t < 2; ++t) {
      thieves.emplace_back([&, t] {
        std::uintptr_t items[16];
        while (taken < all) {
          if (t == 0) {
            const auto got = ring.take_half(items, 16);
            for (std::uint32_t i = 0; i < got; ++i) {
              note(items[i]);
            }
          } else if (const auto item = ring.take(); item != 0) {
            note(item);
          }
        }
      });
    }
    std::uintptr_t next = 1;
    while (next <= all) {
      const auto room = std::min<std::uintptr_t>(ring.room(), all + 1 - next);
      ring.offer(static_cast<std::uint32_t>(room), [&] { return next++; });
      if (const auto mine = ring.take(); mine != 0) {
        note(mine);
      }
    }
    for (auto& t : thieves) {
      t.join();
    }
    std::uintptr_t wrong = 0;
    for (std::uintptr_t i = 1; i <= all; ++i) {
      wrong += seen[i] == 1 ? 0U : 1U;
    }
    CHECK(wrong == 0);
    CHECK(ring.empty());
  }
}

}  // namespace
