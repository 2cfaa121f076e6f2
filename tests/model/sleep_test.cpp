#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <new>
#include <utility>

#include <martlet/base/clock.hpp>
#include <martlet/tasklet/frame.hpp>

#include "checker/explore.hpp"
#include "checker/mutants.hpp"
#include "checker/var.hpp"
#include "explored_pool.hpp"
#include "listed.hpp"

// Workers that run out of work and sleep, against those who bring some. A worker is a model thread in `find`; it sleeps on
// the futex of checker/system.cpp, so a wake-up that is lost is a deadlock.

namespace base = martlet::base;

namespace detail = martlet::detail;
using namespace martlet::model;

namespace {

// Sleeps as the others do, and knows when it began: who uses it without knowing that races.
class own_driver final : public martlet::driver {
 public:
  explicit own_driver(std::function<void()> event = nullptr) : event_(std::move(event)) {}

  void wait(base::instant deadline) override {
    inner_.wait(deadline);
    if (event_ != nullptr) {
      std::exchange(event_, nullptr)();
    }
  }
  void poll() override {}
  void notify() noexcept override { inner_.notify(); }
  bool is_watching() const noexcept override { return watches_.load(base::relaxed); }

 private:
  std::function<void()> event_;  // happens once, when somebody has waited for it
  martlet::futex_driver inner_;
  base::atomic<bool> watches_{false};
};

bool is_out_of_memory = false;

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
    if (installs && who == &items[0].record) {
      detail::install_driver(self, std::make_unique<own_driver>());
    }
    if (children != 0 && who == &items[0].record) {
      for (std::size_t i = 1; i <= children; ++i) {
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
  std::size_t children = 0;  // how many the first makes inside of it
  bool installs = false;
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
template <bool Installs>
void two_workers_at_once() {
  work<2> all(2);
  all.installs = Installs;
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
  all.installs = true;
  run_threads({{"worker", [&] { all.run(0); }}, {"brings", [&] { all.bring(0); }}, {"ends", [&] {
                                                                                      all.tell_to_end();
                                                                                    }}});
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

// Who was refused has left before the pool goes.
void end_after_a_refusal() {
  auto all = std::make_unique<work<1>>(1);
  detail::tasklet& refused = all->items[0].record;
  static_cast<void>(all->pool.close());
  base::atomic<bool> has_come{false};
  run_threads({{"spawns", [&] { require(!all->pool.spawn(refused, has_come), "nothing is accepted"); }},
               {"ends", [&] {
                  while (!has_come.load(base::acquire) || all->pool.has_visitors()) {
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

// What was accepted is not overlooked by who ends all.
void spawned_at_the_end() {
  work<1> all(1);
  base::atomic<bool> has_come{false};
  bool is_over = false, is_accepted = false;
  run_threads({{"spawns", [&] { is_accepted = all.pool.spawn(all.items[0].record, has_come); }},
               {"ends", [&] { is_over = all.pool.close(); }}});
  require(!is_over || !is_accepted, "what was accepted has to end first");
  if (is_accepted) {
    detail::worker::count(all.pool.at(0).count_.ended);
  }
}

// Who walks over all frames to cancel them finds the new one, or who spawns it sees that all are cancelled. The frame has a slab of
// its own, which is new in each execution, and is not given back.
void spawned_while_all_are_cancelled() {
  work<1> all(1);
  detail::worker& w = all.pool.at(0);
  auto* const slot = static_cast<std::byte*>(detail::allocate_frame(detail::largest_frame));
  auto* const who = reinterpret_cast<detail::tasklet*>(slot + detail::tasklet::frame_offset);
  run_threads({{"spawns",
                [&] {
                  std::construct_at(who, detail::kind::coroutine);
                  who->begin_as_root({});
                  all.pool.spawn(*who, w);
                }},
               {"cancels", [&] { all.pool.cancel_all(); }}});
  require(who->is_cancelled(), "it was cancelled, or is so from the start");
  require(w.take_any() == who, "it is queued");
  detail::worker::count(w.count_.ended);
  who->word_.store(detail::tasklet::bits(detail::tag::free), base::relaxed);
}

// Who takes the first makes the others inside of it, and stays there until somebody has taken them.
template <std::size_t Children>
void children_of_one_that_was_brought() {
  work<1 + Children> all(2);
  all.children = Children;
  run_threads({{"first", [&] { all.run(0); }}, {"second", [&] { all.run(1); }}, {"brings", [&] { all.bring(0); }}});
  all.end();
}

// Both are brought while it slept the last time with the driver that it had.
template <std::size_t Pinned>
void driver_of_its_own() {
  work<2> all(1);
  all.installs = true;
  run_threads({{"worker", [&] { all.run(0); }}, {"brings", [&] { all.bring(1 - Pinned); }}, {"brings pinned work", [&] {
                                                                                               all.bring_pinned(Pinned);
                                                                                             }}});
  all.end();
}

void children_and_a_driver() {
  work<3> all(2);
  all.children = 2;
  all.installs = true;
  run_threads({{"first", [&] { all.run(0); }}, {"second", [&] { all.run(1); }}, {"brings", [&] { all.bring(0); }}});
  all.end();
}

// Who has taken one stays inside of it until all have been taken.
template <std::size_t Children>
void three_workers() {
  work<1 + Children> all(3);
  all.children = Children;
  all.stays = true;
  run_threads({{"first", [&] { all.run(0); }},
               {"second", [&] { all.run(1); }},
               {"third", [&] { all.run(2); }},
               {"brings", [&] { all.bring(0); }}});
  all.end();
}

// An event makes two ready. Who waited for it takes the first, and stays inside of it until somebody has taken the other.
void ready_by_its_driver() {
  work<2> all(2);
  all.stays = true;
  detail::worker& waits = all.pool.at(0);
  detail::install_driver(waits, std::make_unique<own_driver>([&all, &waits] {
                           for (item& each : all.items) {
                             each.taken.set(0);
                             all.pool.bring(each.record, waits);
                           }
                         }));
  run_threads({{"waits", [&] { all.run(0); }}, {"other", [&] { all.run(1); }}});
  all.end();
}

// Who is told by two at once hears of what either of them has done, or is told again.
void told_by_two() {
  martlet::futex_driver driver;
  base::atomic<bool> is_there{false};
  run_threads({{"waits",
                [&] {
                  while (!is_there.load(base::relaxed)) {
                    driver.wait(base::never);
                  }
                }},
               {"tells", [&] { driver.notify(); }},
               {"tells too", [&] {
                  is_there.store(true, base::relaxed);
                  driver.notify();
                }}});
}

// What has taken of the reserve was the first, so there is no memory for the second.
void out_of_memory() {
  work<2> all(1);
  is_out_of_memory = true;
  all.bring(0);
  is_out_of_memory = false;
  run_threads({{"worker", [&] { all.run(0); }}, {"brings", [&] { all.bring(1); }}});
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

// What the injector's reserve asks first (injector.cpp).
[[gnu::noinline]] void* operator new(std::size_t bytes, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  const auto boundary = static_cast<std::size_t>(alignment);
  return is_out_of_memory ? nullptr : std::aligned_alloc(boundary, (bytes + boundary - 1) / boundary * boundary);
}
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

TEST_SUITE("sleep") {
  TEST_CASE("no work is overslept") {
    check({
        {"a worker, one that brings work", one_worker, 3473, martlet::testing::level::stress},
        {"a worker, one that brings pinned work", pinned, 0},
        {"a worker, one that brings work twice", one_worker_brought_twice, 0},
        {"a worker, one that brings work again", one_worker_brought_again, 0},
        {"two workers, one that brings work for both", two_workers_at_once<false>, 0},
        {"a worker, two that bring work", two_that_bring, 0},
        {"a worker that is told to end while it is brought work", told_to_end, 0},
        {"two workers, one that brings what makes a child", children_of_one_that_was_brought<1>, 0},
        {"two workers, one that brings what makes two children", children_of_one_that_was_brought<2>, 0},
        {"a pool that ends, one that brings work", end_after_visitors<false>, 0},
        {"a pool that ends, one that brings pinned work", end_after_visitors<true>, 0},
        {"one that spawns, one that ends all", spawned_at_the_end, 11},
        {"a pool that ends, one that is refused", end_after_a_refusal, 0},
        {"one that spawns, one that cancels all", spawned_while_all_are_cancelled, 51},
        {"one that makes another and ends, one that looks whether all have ended", counted, 3},
        {"a worker that changes its driver, two that bring work", driver_of_its_own<0>, 0},
        {"the same, the other way round", driver_of_its_own<1>, 0},
        {"two workers, a change of the driver and two children", children_and_a_driver, 0},
        {"three workers, one that brings what makes two children", three_workers<2>, 0},
        {"two workers, one of whose driver makes two ready", ready_by_its_driver, 0},
        {"a driver that is told by two", told_by_two, 0},
        {"two workers, one of which changes its driver, one that brings work for both", two_workers_at_once<true>, 0},
        {"a worker, one that brings work where there is no memory", out_of_memory, 0},
        {"two workers, one that brings work", two_workers, 0},
        {"one that works and has a child, one that idles", child_of_one_that_works, 0},
        {"one that works and has two children, one that idles", children_of_one_that_works, 0},
        {"one that works and has a child after the other, two that idle", children_by_turns, 0},
    });
  }

  // ./dev model --mutate runs it.
  TEST_CASE("mutants: no order can be weaker" * doctest::skip()) {
    const char* const in_time = "its program takes stores that become visible in time";
    const char* const sleep_next = "who gives it up stores more after it, seq_cst; no store overtakes another here";
    const char* const overtaken = "the search is given up after it was taken; no store overtakes another here";
    const options random{.seed = 1, .most = 4'000};
    const auto unexplained = unexplained_mutants(
        {
            counted,
            {end_after_a_refusal, random},
            spawned_at_the_end,
            spawned_while_all_are_cancelled,
            {ready_by_its_driver, random},
            {end_after_visitors<false>, random},
            {end_after_visitors<true>, random},
            {two_workers_at_once<false>, random},
            {told_to_end, random},
            {children_of_one_that_was_brought<1>, random},
            {children_of_one_that_was_brought<2>, random},
            {driver_of_its_own<0>, random},
            {driver_of_its_own<1>, random},
            {children_and_a_driver, random},
            {three_workers<2>, {.seed = 1, .most = 10'000}},
            {children_by_turns, {.seed = 1, .most = 10'000}},
            told_by_two,
            {two_workers_at_once<true>, random},
            {out_of_memory, random},
            {pinned, random},
            {two_that_bring, random},
            {one_worker_brought_again, random},
            {child_of_one_that_works, random},
            {children_of_one_that_works, random},
        },
        {"scheduler/src/stealing.", "scheduler/src/stealing_idle", "scheduler/src/stealing_threads",
         "scheduler/src/worker.cpp", "/driver.", "[count.end]", "[command.tell]", "[visitor.leave]", "[visitor.come]",
         "[end.look]", "[word.spawn]", "[driver.install]"},
        {{"napping_.load(base::seq_cst) == 0 && searching_", base::relaxed, in_time},
         {"searching_.load(base::seq_cst) != 0 || base::cycles()", base::relaxed,
          "a watcher finds what is offered, a nap later"},
         {"sleep_.compare_exchange_strong(now, state::awake", base::relaxed, overtaken},
         {"napping_.store(nobody, base::seq_cst);", base::relaxed, sleep_next},
         {"sleep_.exchange(worker::sleep_state::awake", base::relaxed, overtaken},
         {"while (visitors_.load(base::acquire) != 0)", base::relaxed, "who came before is known by an earlier look"}});
    INFO(doctest::toString(unexplained));
    CHECK(unexplained.empty());
  }
}
