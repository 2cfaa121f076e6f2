#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include <martlet/tasklet/frame_pool.hpp>
#include <martlet/tasklet/tasklet.hpp>

#include "checker/explore.hpp"
#include "checker/mutants.hpp"
#include "checker/var.hpp"
#include "listed.hpp"

// Slots that go from thread to thread, and a walk over the slabs meanwhile. How pages go back to the system is no part of it: the
// checker knows an atomic by its address, whatever becomes of the page.

namespace base = martlet::base;
namespace detail = martlet::detail;
using namespace martlet::model;

namespace {

// Slots so large that a slab has three.
struct pool_of_three {
  static constexpr std::size_t index = detail::frame_class(std::size_t{64} * 1024);

  detail::frame_pool pool;
  std::array<var<int>, 3> contents;  // plain data, one for each slot

  // Which of its slab's slots it is: the first begins just behind the slab's head.
  var<int>& content_of(detail::free_slot* slot) {
    const std::size_t in_slab = reinterpret_cast<std::uintptr_t>(slot) % (std::size_t{256} * 1024);
    return contents[in_slab / detail::frame_class_size(index)];
  }
  detail::free_slot* take() {
    detail::free_slot* const slot = pool.take(index, 1).first;
    content_of(slot).set(content_of(slot).get() + 1);
    return slot;
  }
  void give_back(detail::free_slot* slot) {
    content_of(slot).set(0);
    slot->next = nullptr;
    pool.give_back(index, slot);
  }
};

// What one gives back the other may take, with all that was done in it.
void two_that_take() {
  pool_of_three all;
  const auto take_and_give_back = [&all] {
    detail::free_slot* const slot = all.take();
    require(all.content_of(slot).get() == 1, "nobody else has it");
    all.give_back(slot);
  };
  run_threads({{"one", take_and_give_back}, {"other", take_and_give_back}});
}

// A tasklet that was made here ends there: its frame goes back from another thread than the one that takes the next.
void given_back_elsewhere() {
  pool_of_three all;
  base::atomic<detail::free_slot*> handed{nullptr};
  run_threads({{"makes",
                [&] {
                  handed.store(all.take(), base::release);
                  detail::free_slot* const next = all.take();
                  require(all.content_of(next).get() == 1, "nobody else has it");
                }},
               {"ends", [&] {
                  if (detail::free_slot* const slot = handed.load(base::acquire); slot != nullptr) {
                    all.give_back(slot);
                  }
                }}});
}

// Who walks finds what is said to be a frame, with its content.
void one_that_walks() {
  pool_of_three all;
  run_threads({{"makes",
                [&] {
                  detail::free_slot* const slot = all.take();
                  slot->word.store(detail::tasklet::bits(detail::tag::runnable), base::release);  // as a scheduler does
                }},
               {"walks", [&] {
                  all.pool.walk([&](detail::free_slot* slot, std::size_t) {
                    if (slot->word.load(base::acquire) == detail::tasklet::bits(detail::tag::runnable)) {
                      require(all.content_of(slot).get() == 1, "what is in it is known");
                    }
                  });
                }}});
}

// The table is made by the first that needs it.
void places_outside() {
  pool_of_three all;
  detail::free_slot* const left = all.take();
  detail::free_slot* const right = all.take();
  const auto use = [&all](detail::free_slot* slot) {
    base::atomic<detail::extras*>& place = all.pool.extras_at(slot);
    require(place.load(base::relaxed) == nullptr, "nothing is there at first");
    place.store(reinterpret_cast<detail::extras*>(slot), base::relaxed);
  };
  run_threads({{"left", [&] { use(left); }}, {"right", [&] { use(right); }}});
  for (detail::free_slot* slot : {left, right}) {
    require(all.pool.extras_at(slot).load(base::relaxed) == reinterpret_cast<detail::extras*>(slot), "it is kept");
  }
}

}  // namespace

TEST_SUITE("frame pool") {
  TEST_CASE("a slot is one thread's at a time, and known with its content to those who find it") {
    check({
        {"two that take and give back", two_that_take, 370},
        {"one that makes frames, one that gives them back", given_back_elsewhere, 7},
        {"one that makes a frame, one that walks", one_that_walks, 4},
        {"two that need a place outside of their slots", places_outside, 4},
    });
  }

  TEST_CASE("mutants: no order can be weaker") {
    const auto unexplained =
        unexplained_mutants({two_that_take, given_back_elsewhere, one_that_walks, places_outside}, {"frame_pool"}, {});
    INFO(doctest::toString(unexplained));
    CHECK(unexplained.empty());
  }
}
