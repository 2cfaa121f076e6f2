#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "checker/explore.hpp"
#include "checker/mutants.hpp"
#include "checker/var.hpp"
#include "listed.hpp"
#include "sleeper.hpp"
#include "worker.hpp"

// A worker's private queues and its slot, which a thief borrows.

namespace base = martlet::base;
namespace detail = martlet::detail;
using namespace martlet::model;

namespace {

// A tasklet that is only queued and taken: who takes it writes, so that two who take the same one race.
struct item {
  detail::tasklet record{detail::kind::coroutine, detail::tasklet::on_stack{}};
  var<int> taken;
};

struct place {
  crew all;
  base::atomic<std::uint32_t> nobody_idle{0};
};

class queues : place {
 public:
  detail::worker its{all, nobody_idle, true, 0, false};  // "alone": it offers nothing by itself

  detail::tasklet* make() {
    item& made = items_[made_++];
    made.taken.set(0);
    return &made.record;
  }
  static void take(detail::tasklet* who) {
    if (who != nullptr) {
      var<int>& taken = reinterpret_cast<item*>(who)->taken;
      taken.set(taken.get() + 1);
    }
  }
  void borrow() {
    std::array<detail::tasklet*, 4> loot;
    const std::uint32_t count = its.borrow(loot.data(), loot.size());
    for (std::uint32_t i = 0; i < count; ++i) {
      take(loot[i]);
    }
  }
  void rob() {
    std::array<detail::tasklet*, 4> loot;
    const std::uint32_t count = its.rob(loot.data(), loot.size());
    for (std::uint32_t i = 0; i < count; ++i) {
      take(loot[i]);
    }
  }

  // Everybody has ended: what is left is taken, and then each was taken once.
  void end() {
    while (detail::tasklet* left = its.take_any()) {
      take(left);
    }
    require(!its.has_private_work(), "nothing is left");
    for (std::size_t i = 0; i < made_; ++i) {
      require(items_[i].taken.get() == 1, "each is taken once");
    }
  }

 private:
  std::array<item, 4> items_;
  std::size_t made_ = 0;
};

void slot_and_thief() {
  queues all;
  run_threads({{"owner",
                [&] {
                  all.its.put_next(all.make());
                  queues::take(all.its.take_local());
                }},
               {"thief", [&] { all.borrow(); }}});
  all.end();
}

// The second that is woken drives the first out of the slot.
void slot_twice_and_thief() {
  queues all;
  run_threads({{"owner",
                [&] {
                  all.its.put_next(all.make());
                  all.its.put_next(all.make());
                  queues::take(all.its.take_local());
                }},
               {"thief", [&] { all.borrow(); }}});
  all.end();
}

void children_and_thief() {
  queues all;
  run_threads({{"owner",
                [&] {
                  all.its.put_fresh(all.make());
                  all.its.put_last(all.make());
                  queues::take(all.its.take_local());
                }},
               {"thief", [&] { all.borrow(); }}});
  all.end();
}

void offered_and_borrowed() {
  queues all;
  run_threads({{"owner",
                [&] {
                  all.its.put_last(all.make());
                  all.its.put_last(all.make());
                  all.its.offer_some();
                  queues::take(all.its.take_local());
                }},
               {"borrower", [&] { all.borrow(); }},
               {"thief", [&] { all.rob(); }}});
  all.end();
}

// What was taken of an offer is made up for, so that the thief does not come back to nothing.
void robbed_and_topped_up() {
  queues all;
  run_threads({{"owner",
                [&] {
                  for (int i = 0; i < 4; ++i) {
                    all.its.put_last(all.make());
                  }
                  all.its.offer_some();
                  const std::size_t kept = all.its.private_size();
                  all.its.top_up();
                  require(all.its.private_size() == kept || all.its.private_size() == kept / 2,
                          "half of what is left is offered, or nothing");
                  queues::take(all.its.take_oldest());
                }},
               {"thief", [&] {
                  all.rob();
                  all.rob();
                }}});
  const std::size_t kept = all.its.private_size();
  all.its.top_up();
  all.its.top_up();
  require(kept < 2 || !all.its.shared_.empty(), "the owner has topped up, before or now");
  all.end();
}

// A glance at a queue that others were told of, while what is in it changes and it is never empty.
template <auto Change>
void never_empty() {
  queues all;
  base::atomic<bool> is_told{false};
  run_threads({{"owner",
                [&] {
                  all.its.put_last(all.make());
                  is_told.store(true, base::release);
                  Change(all);
                }},
               {"glances", [&] {
                  if (is_told.load(base::acquire)) {
                    require(all.its.has_private_work(), "it was not empty for a moment");
                  }
                }}});
  all.end();
}

void replace(queues& all) {
  all.its.put_last(all.make());
  queues::take(all.its.take_local());
}

void replace_twice(queues& all) {
  replace(all);
  replace(all);
}

void rotate(queues& all) {
  all.its.put_last(all.make());
  queues::take(all.its.take_local());  // only woken ones are left
  detail::tasklet* next = all.its.rotate(all.make());
  all.its.queues_.leave();
  queues::take(next);
}

// What was woken last is moved behind the others when its place has been run too often in a row.
void slot_too_often() {
  queues all;
  base::atomic<bool> is_told{false};
  run_threads({{"owner",
                [&] {
                  all.its.put_fresh(all.make());
                  detail::tasklet* again = all.make();
                  for (int i = 0; i < 63; ++i) {
                    all.its.put_next(again);
                    require(all.its.take_local() == again, "who was woken last comes first");
                  }
                  all.its.put_next(again);
                  is_told.store(true, base::release);
                  queues::take(all.its.take_local());
                }},
               {"glances", [&] {
                  if (is_told.load(base::acquire)) {
                    require(all.its.has_private_work(), "it was not empty for a moment");
                  }
                }}});
  all.end();
}

}  // namespace

TEST_SUITE("private queues") {
  TEST_CASE("each tasklet is taken once, by the owner or a borrower") {
    check({
        {"an owner with a tasklet in its slot, a thief", slot_and_thief, 90},
        {"an owner that wakes two, a thief", slot_twice_and_thief, 188},
        {"an owner with a child and one that yields, a thief", children_and_thief, 188},
        {"an owner that offers, a borrower, a thief", offered_and_borrowed, 2461},
        {"an owner that offers and tops up, a thief that comes twice", robbed_and_topped_up, 60},
    });
  }

  TEST_CASE("what is never empty never seems so to those who know of something in it") {
    check({
        {"an owner that puts one and takes one, a glance", never_empty<replace>, 4},
        {"an owner that does so twice, a glance", never_empty<replace_twice>, 7},
        {"an owner that rotates, a glance", never_empty<rotate>, 7},
        {"an owner that moves one out of the slot, a glance", slot_too_often, 4},
    });
  }

  TEST_CASE("mutants: no order can be weaker") {
    const auto unexplained =
        unexplained_mutants({never_empty<replace>, never_empty<replace_twice>, never_empty<rotate>, slot_too_often},
                            {"[queue.spell]"}, {});
    INFO(doctest::toString(unexplained));
    CHECK(unexplained.empty());
  }
}
