#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <memory>

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
  bool has_visitors() const { return pool_.visitors_.load(base::relaxed) != 0; }
  bool all_ended() const { return pool_.all_ended(); }
  static void install(worker& w) { install_driver(w, std::make_unique<futex_driver>()); }

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
      take(who, self);
    }
    require(before_the_end.get(), "who ends knows what was done before it was told to");
    pool.leave(self);
  }
  void take(detail::tasklet* who, detail::worker& self) {
    var<int>& taken = reinterpret_cast<item*>(who)->taken;
    taken.set(taken.get() + 1);
    if (left.fetch_sub(1, base::acq_rel) == 1) {
      tell_to_end();
    }
    if (nests && who == &items[0].record) {
      for (std::size_t i = 1; i < Items; ++i) {
        items[i].taken.set(0);
        pool.bring(items[i].record, self);
      }
      while (left.load(base::acquire) != 0) {
        base::cpu_pause();
      }
    }
    while (stays && left.load(base::acquire) != 0) {
      base::cpu_pause();
    }
  }
  void tell_to_end() {
    before_the_end.set(true);
    pool.tell_to_end();
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
  bool nests = false;
  var<bool> before_the_end;
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

// Something was said to the worker already when it is told to end, and it may hear both at once.
void told_to_end() {
  work<2> all(1);  // one of them never comes
  run_threads({{"worker", [&] { all.run(0); }},
               {"brings", [&] { all.bring(0); }},
               {"ends", [&] { all.tell_to_end(); }}});
}

// The pool ends when its worker has left it, and those who brought something have.
template <bool IsPinned>
void end_after_visitors() {
  auto all = std::make_unique<work<1>>(1);
  base::atomic<bool> has_left{false};
  run_threads({{"worker",
                [&] {
                  all->run(0);
                  has_left.store(true, base::release);
                }},
               {"brings", [&] { IsPinned ? all->bring_pinned(0) : all->bring(0); }},
               {"ends", [&] {
                  while (!has_left.load(base::acquire) || all->pool.has_visitors()) {
                    base::cpu_pause();
                  }
                  all.reset();
                }}});
}

// A tasklet that ends has made another one before, which lives.
void counted() {
  work<1> all(1);
  detail::worker& w = all.pool.at(0);
  detail::worker::count(w.count_.spawned);
  run_threads({{"worker",
                [&] {
                  detail::worker::count(w.count_.spawned);
                  detail::worker::count(w.count_.ended);
                }},
               {"looks", [&] { require(!all.pool.all_ended(), "one of them lives"); }}});
  detail::worker::count(w.count_.ended);
}

// Who takes the first makes the others inside of it, and stays there until somebody has taken them.
template <std::size_t Children>
void children_of_one_that_was_brought() {
  work<1 + Children> all(2);
  all.nests = true;
  run_threads({{"first", [&] { all.run(0); }}, {"second", [&] { all.run(1); }}, {"brings", [&] { all.bring(0); }}});
  all.end();
}

void driver_of_its_own() {
  work<2> all(1);
  run_threads({{"worker",
                [&] {
                  all.pool.install(all.pool.at(0));
                  all.run(0);
                }},
               {"brings", [&] { all.bring(0); }},
               {"brings pinned work", [&] { all.bring_pinned(1); }}});
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
        {"a worker, one that brings work", one_worker, 4973, martlet::testing::level::stress},
        {"a worker, one that brings pinned work", pinned, 0},
        {"a worker, one that brings work twice", one_worker_brought_twice, 0},
        {"a worker, one that brings work again", one_worker_brought_again, 0},
        {"two workers, one that brings work for both", two_workers_at_once, 0},
        {"a worker, two that bring work", two_that_bring, 0},
        {"a worker that is told to end while it is brought work", told_to_end, 0},
        {"two workers, one that brings what makes a child", children_of_one_that_was_brought<1>, 0},
        {"two workers, one that brings what makes two children", children_of_one_that_was_brought<2>, 0},
        {"a pool that ends, one that brings work", end_after_visitors<false>, 0},
        {"a pool that ends, one that brings pinned work", end_after_visitors<true>, 0},
        {"one that makes another and ends, one that looks whether all have ended", counted, 3},
        {"a worker with a driver of its own, two that bring work", driver_of_its_own, 0},
        {"two workers, one that brings work", two_workers, 0},
        {"one that works and has a child, one that idles", child_of_one_that_works, 0},
        {"one that works and has two children, one that idles", children_of_one_that_works, 0},
        {"one that works and has a child after the other, two that idle", children_by_turns, 0},
    });
  }

  // ./dev model --mutate runs it.
  TEST_CASE("mutants: no order can be weaker" * doctest::skip()) {
    const options random{.seed = 1, .most = 4'000};
    const auto unexplained = unexplained_mutants(
        {counted, {end_after_visitors<false>, random}, {end_after_visitors<true>,random},{two_workers_at_once, random},{told_to_end, random},{children_of_one_that_was_brought<1>,random},{children_of_one_that_was_brought<2>,random},{driver_of_its_own,random},
         {pinned, random},
         {two_that_bring, random},
         {one_worker_brought_again, random},
         {child_of_one_that_works, random},
         {children_of_one_that_works, random},
         },
        {"scheduler/src/stealing", "scheduler/src/worker", "scheduler/include/martlet/scheduler/driver.hpp"},
        {});
    INFO(doctest::toString(unexplained));
    CHECK(unexplained.empty());
  }
}
