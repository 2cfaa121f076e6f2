#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "checker/explore.hpp"
#include "checker/mutants.hpp"
#include "checker/var.hpp"
#include "listed.hpp"
#include "shared_ring.hpp"

namespace base = martlet::base;
using base::relaxed;
using namespace martlet::model;

namespace {

// What lies in the ring: who takes it writes to it, as plain data, so that two who take the same one race, and so does
// one who takes it before it is made.
struct item {
  var<int> taken;

  void take() { taken.set(taken.get() + 1); }
};

template <std::uint32_t Capacity, std::size_t Items>
struct offered {
  martlet::detail::shared_ring<item*, Capacity> ring;
  std::array<item, Items> items;
  std::size_t made = 0;  // the owner's

  void offer(std::uint32_t count) {
    ring.offer(count, [&] {
      items[made].taken.set(0);
      return &items[made++];
    });
  }

  void take() {
    if (item* taken = ring.take()) {
      taken->take();
    }
  }

  void take_half() {
    std::array<item*, Capacity> taken;
    const std::uint32_t count = ring.take_half(taken.data(), Capacity);
    for (std::uint32_t i = 0; i < count; ++i) {
      taken[i]->take();
    }
  }

  // Everybody has ended: what is left is taken, and then each item was taken once.
  void end() {
    while (item* left = ring.take()) {
      left->take();
    }
    require(ring.empty(), "nothing is left");
    for (std::size_t i = 0; i < made; ++i) {
      require(items[i].taken.get() == 1, "each item is taken once");
    }
  }
};

// The owner offers and takes back, a thief takes half.
void owner_and_thief() {
  offered<2, 2> all;
  run_threads({{"owner",
                [&] {
                  all.offer(2);
                  all.take();
                }},
               {"thief", [&] { all.take_half(); }}});
  all.end();
}

// The owner writes slots again that a thief may still be reading.
void slots_used_again() {
  offered<2, 4> all;
  run_threads({{"owner",
                [&] {
                  all.offer(2);
                  if (all.ring.room() > 0) {
                    all.offer(1);
                  }
                  all.take();
                  if (all.ring.room() > 0) {
                    all.offer(1);
                  }
                }},
               {"thief", [&] {
                  all.take_half();
                  all.take_half();
                }}});
  all.end();
}

void two_thieves() {
  offered<2, 3> all;
  run_threads({{"owner",
                [&] {
                  all.offer(2);
                  if (all.ring.room() > 0) {
                    all.offer(1);
                  }
                }},
               {"halves", [&] { all.take_half(); }},
               {"takes one", [&] { all.take(); }}});
  all.end();
}

// A thief that loses against another tries again with what it learns by that.
void takers() {
  offered<4, 2> all;
  run_threads({{"owner",
                [&] {
                  all.offer(1);
                  all.offer(1);
                }},
               {"takes one", [&] { all.take(); }},
               {"takes two", [&] {
                  all.take();
                  all.take();
                }}});
  all.end();
}

// One that goes to sleep says so and looks; an owner that offers looks for sleepers.
void one_that_sleeps() {
  offered<2, 1> all;
  base::atomic<bool> is_asleep{false};
  bool sees_sleeper = false, sees_work = false;
  run_threads({{"owner",
                [&] {
                  all.offer(1);
                  sees_sleeper = is_asleep.load(base::seq_cst);
                }},
               {"sleeps", [&] {
                  is_asleep.store(true, base::seq_cst);
                  sees_work = !all.ring.empty_for_sleeper();
                }}});
  require(sees_sleeper || sees_work, "one of the two sees the other");
  all.end();
}

// Too large for every path.
void crowd() {
  offered<4, 12> all;
  const auto thief = [&] {
    all.take_half();
    all.take();
    all.take_half();
  };
  run_threads({{"owner",
                [&] {
                  while (all.made < 12) {
                    all.offer(std::min(all.ring.room(), static_cast<std::uint32_t>(12 - all.made)));
                    all.take();
                  }
                }},
               {"first", thief},
               {"second", thief},
               {"third", thief}});
  all.end();
}

}  // namespace

TEST_SUITE("shared ring") {
  TEST_CASE("each item is taken once, by the owner or a thief") {
    check({
        {"an owner that takes back, a thief", owner_and_thief, 6},
        {"an owner that offers three times, a thief that takes twice", slots_used_again, 52},
        {"an owner that offers twice, two thieves", two_thieves, 26},
        {"an owner that offers twice, a thief that takes one, one that takes two", takers, 65},
        {"an owner that offers twelve, three thieves", crowd, 0},
    });
  }

  TEST_CASE("nobody goes to sleep over what is offered") {
    check({{"an owner that offers, one that sleeps", one_that_sleeps, 3}});
  }

  TEST_CASE("a ring with one order too weak is found out") {
    CHECK(explore_weakened(owner_and_thief, "tail_.store(tail + count", relaxed).failure.find("a data race") == 0);
    CHECK(explore_weakened(owner_and_thief, "there = tail_.load(base::acquire)", relaxed).failure.find("a data race") ==
          0);
  }

  TEST_CASE("mutants: no order can be weaker") {
    const auto unexplained =
        unexplained_mutants({owner_and_thief, slots_used_again, two_thieves, takers, one_that_sleeps}, {"shared_ring"},
                            {{"head_.load(base::acquire));", relaxed, "nobody reads the future"}});
    INFO(doctest::toString(unexplained));
    CHECK(unexplained.empty());
  }
}
