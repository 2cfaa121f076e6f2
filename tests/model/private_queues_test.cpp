#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "checker/explore.hpp"
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
               {"thief", [&] {
                  detail::tasklet* loot[4];
                  const std::uint32_t count = all.its.shared_.take_half(loot, 4);
                  for (std::uint32_t i = 0; i < count; ++i) {
                    queues::take(loot[i]);
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
        {"an owner that offers, a borrower, a thief", offered_and_borrowed, 2245},
    });
  }
}
