#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>

#include <martlet/base/clock.hpp>

#include "checker/explore.hpp"
#include "checker/mutants.hpp"
#include "checker/var.hpp"
#include "listed.hpp"
#include "stealing.hpp"

// Workers that run out of work and sleep, against those who bring some. A worker is a model thread in `find`; it sleeps on
// the futex of checker/system.cpp, so a wake-up that is lost is a deadlock.

namespace base = martlet::base;

namespace martlet::detail {

/// A pool whose threads are the model's.
class explored_pool {
 public:
  explicit explored_pool(int workers)
      : pool_({.workers = workers, .lent_threads = 0, .spin = {}, .report_overflow = false}) {}

  worker& at(std::size_t index) { return *pool_.workers_[index]; }

  /// Begins and ends a worker's time in the loop.
  void enter(worker& w) { pool_.occupy(w); }
  void leave(worker& w) { pool_.vacate(w); }

  /// Takes what is here, or waits for work.
  ///
  /// Returns   null when it was told to end.
  tasklet* next(worker& w) {
    tasklet* who = w.take_local();
    return who != nullptr ? who : pool_.find(w);
  }

  void bring(tasklet& who) { pool_.ready(&who, &who, nullptr, turn::next); }
  void bring(tasklet& who, worker& from) { pool_.ready(&who, &who, &from, turn::last); }
  void bring_pinned(tasklet& who, worker& to) {
    who.is_pinned_ = true;
    who.host_.store(&to, base::relaxed);
    pool_.ready(&who, &who, nullptr, turn::next);
  }
  void tell_to_end() { pool_.tell(stealing::command::stop); }

 private:
  stealing pool_;
};

}  // namespace martlet::detail

namespace detail = martlet::detail;
using namespace martlet::model;

namespace {

struct item {
  detail::tasklet record{detail::kind::coroutine, detail::tasklet::on_stack{}};
  var<int> taken;
};

template <std::size_t Items>
struct work {
  explicit work(int workers) : pool(workers) {
    for (item& each : items) {
      each.record.host_.store(&pool.at(0), base::relaxed);
    }
  }

  void bring(std::size_t which) {
    items[which].taken.set(0);
    pool.bring(items[which].record);
  }
  void bring_pinned(std::size_t which) {
    items[which].taken.set(0);
    pool.bring_pinned(items[which].record, pool.at(0));
  }
  // Takes until all is taken, and tells the others then.
  void run(std::size_t index) {
    pool.enter(pool.at(index));
    go_on(index);
  }
  // Makes all of it ready, from inside a tasklet that ends when the others have taken all.
  void make_and_stay(std::size_t index) {
    detail::worker& self = pool.at(index);
    pool.enter(self);
    for (item& each : items) {
      each.taken.set(0);
      pool.bring(each.record, self);
    }
    while (left.load(base::acquire) != 0) {
      base::cpu_pause();
    }
    go_on(index);
  }
  // Makes one ready after the other, from inside such a tasklet.
  void make_by_turns_and_stay(std::size_t index) {
    detail::worker& self = pool.at(index);
    pool.enter(self);
    for (std::size_t made = 0; made < Items; ++made) {
      items[made].taken.set(0);
      pool.bring(items[made].record, self);
      while (left.load(base::acquire) != Items - made - 1) {
        base::cpu_pause();
      }
    }
    go_on(index);
  }
  void go_on(std::size_t index) {
    detail::worker& self = pool.at(index);
    while (detail::tasklet* who = pool.next(self)) {
      take(who);
    }
    pool.leave(self);
  }
  void take(detail::tasklet* who) {
    var<int>& taken = reinterpret_cast<item*>(who)->taken;
    taken.set(taken.get() + 1);
    if (left.fetch_sub(1, base::acq_rel) == 1) {
      pool.tell_to_end();
    }
    while (stays && left.load(base::acquire) != 0) {
      base::cpu_pause();
    }
  }
  void end() {
    for (item& each : items) {
      require(each.taken.get() == 1, "each is taken once");
    }
  }

  detail::explored_pool pool;
  std::array<item, Items> items;
  base::atomic<std::size_t> left{Items};
  bool stays = false;
};

void one_worker() {
  work<1> all(1);
  run_threads({{"worker", [&] { all.run(0); }}, {"brings", [&] { all.bring(0); }}});
  all.end();
}

void one_worker_brought_twice() {
  work<2> all(1);
  run_threads({{"worker", [&] { all.run(0); }}, {"brings", [&] {
                                                   all.bring(0);
                                                   all.bring(1);
                                                 }}});
  all.end();
}

// The second comes when the worker has nothing to do again.
void one_worker_brought_again() {
  work<2> all(1);
  run_threads({{"worker", [&] { all.run(0); }}, {"brings", [&] {
                                                   all.bring(0);
                                                   while (all.left.load(base::acquire) == 2) {
                                                     base::cpu_pause();
                                                   }
                                                   all.bring(1);
                                                 }}});
  all.end();
}

void two_that_bring() {
  work<2> all(1);
  run_threads({{"worker", [&] { all.run(0); }}, {"brings", [&] { all.bring(0); }}, {"brings too", [&] {
                                                                                      all.bring(1);
                                                                                    }}});
  all.end();
}

void two_workers() {
  work<1> all(2);
  run_threads({{"first", [&] { all.run(0); }}, {"second", [&] { all.run(1); }}, {"brings", [&] { all.bring(0); }}});
  all.end();
}

// Who has taken one stays inside of it until the other has been taken too, so both workers are needed.
void two_workers_at_once() {
  work<2> all(2);
  all.stays = true;
  run_threads({{"first", [&] { all.run(0); }}, {"second", [&] { all.run(1); }}, {"brings", [&] {
                                                                                   all.bring(0);
                                                                                   all.bring(1);
                                                                                 }}});
  all.end();
}

void pinned() {
  work<1> all(1);
  run_threads({{"worker", [&] { all.run(0); }}, {"brings", [&] { all.bring_pinned(0); }}});
  all.end();
}

// What is private to a worker that stays inside its tasklet is noticed by the one that has nothing to do.
void child_of_one_that_works() {
  work<1> all(2);
  run_threads({{"works", [&] { all.make_and_stay(0); }}, {"idles", [&] { all.run(1); }}});
  all.end();
}

void children_of_one_that_works() {
  work<2> all(2);
  run_threads({{"works", [&] { all.make_and_stay(0); }}, {"idles", [&] { all.run(1); }}});
  all.end();
}

// Whoever takes a child stays inside of it until the other has been taken too. So the third is needed, who may sleep because
// the second watched when the first child came.
void children_by_turns() {
  work<2> all(3);
  all.stays = true;
  run_threads({{"works", [&] { all.make_by_turns_and_stay(0); }}, {"idles", [&] { all.run(1); }}, {"idles too", [&] {
                                                                                                     all.run(2);
                                                                                                   }}});
  all.end();
}

}  // namespace

TEST_SUITE("sleep") {
  TEST_CASE("no work is overslept") {
    check({
        {"a worker, one that brings work", one_worker, 2237},
        {"a worker, one that brings pinned work", pinned, 0},
        {"a worker, one that brings work twice", one_worker_brought_twice, 0},
        {"a worker, one that brings work again", one_worker_brought_again, 0},
        {"two workers, one that brings work for both", two_workers_at_once, 0},
        {"a worker, two that bring work", two_that_bring, 0},
        {"two workers, one that brings work", two_workers, 0},
        {"one that works and has a child, one that idles", child_of_one_that_works, 0},
        {"one that works and has two children, one that idles", children_of_one_that_works, 0},
        {"one that works and has a child after the other, two that idle", children_by_turns, 0},
    });
  }

  // Two minutes: ./dev model --mutate runs it.
  TEST_CASE("mutants: no order can be weaker" * doctest::skip()) {
    const char* const offers = "open: it is for what is offered, which takes three workers";
    const options random{.seed = 1, .most = 2'000};
    const auto unexplained = unexplained_mutants(
        {one_worker, {pinned, random}, {two_that_bring, random}, {child_of_one_that_works, {.seed = 1, .most = 200}}},
        {"[sleep.look]", "[search.end]", "[sleep.enter]"},
        {{"head_.load(base::seq_cst) == tail_.load(base::seq_cst)", martlet::base::relaxed, offers},
         {"searching_.store(0, base::seq_cst);", martlet::base::relaxed, offers},
         {"unqueued_.count.load(base::seq_cst)", martlet::base::relaxed, "open: there is always memory here"},
         {"sleep_.load(base::seq_cst) != sleep_state::awake", martlet::base::relaxed,
          "open: at random, 2,000 executions do not show it"},
         {"running_.fetch_add(1, base::acq_rel)", martlet::base::relaxed, "the full fence after it does more"}});
    INFO(doctest::toString(unexplained));
    CHECK(unexplained.empty());
  }
}
