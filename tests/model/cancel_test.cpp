#include <doctest/doctest.h>

#include <cstdint>
#include <tuple>

#include <martlet/tasklet/case_operation.hpp>
#include <martlet/tasklet/host.hpp>

#include "checker/explore.hpp"
#include "checker/mutants.hpp"
#include "checker/var.hpp"
#include "scale.hpp"

// Waits of one tasklet: who claims one, a wake-up or a cancel, and that neither is lost. The tasklet is a model thread that
// sleeps until it is made ready.

namespace base = martlet::base;
namespace detail = martlet::detail;
using namespace martlet::model;

namespace {

// A tasklet, and what it sleeps on.
struct sleeper {
  sleeper();

  detail::tasklet record{detail::kind::coroutine, detail::tasklet::on_stack{}};
  base::atomic<int> times_ready{0};
  int waits = 0;  // that it has slept in
};

class one_sleeper final : public detail::executor {
 public:
  void ready(detail::tasklet*, detail::tasklet*, detail::host*, detail::turn) noexcept override {
    who->times_ready.fetch_add(1, base::release);  // a queue hands what it was given before to who runs it
  }
  detail::tasklet* rotate(detail::tasklet*, detail::tasklet*, detail::host&) noexcept override { return nullptr; }

  sleeper* who = nullptr;
};

one_sleeper all_sleepers;
detail::host& everywhere = *new detail::host(&all_sleepers);

sleeper::sleeper() {
  record.host_.store(&everywhere, base::relaxed);
  all_sleepers.who = this;
}

// Waits are let go on when it opens, with a value.
struct gate : detail::wait_core {
  void open() {
    detail::tasklet* woken = nullptr;
    lock_.lock();
    value.set(1);
    if (detail::wait_node* node = waiters.front()) {
      detail::wait_list::unlink(*node);
      if (detail::claim(node->owner, *this)) {
        woken = detail::complete(*node);
      }
    }
    lock_.unlock();
    if (woken != nullptr) {
      detail::ready(woken, nullptr);
    }
  }

  detail::wait_list waiters;
  var<int> value{0};
};

class gate_wait final : public detail::case_operation<gate_wait> {
 public:
  explicit gate_wait(gate& in) noexcept : in_(&in) {}

  detail::wait_core& core() noexcept { return *in_; }
  bool try_now(detail::tasklet*&) { return in_->value.get() != 0; }
  void link() noexcept { in_->waiters.push_back(*this); }
  void unlink() noexcept { detail::wait_list::unlink(*this); }
  int result() const { return in_->value.get(); }

 private:
  gate* in_;
};

// Returns   false when the wait was cancelled.
bool wait(sleeper& self, gate& in) {
  gate_wait operation(in);
  if (operation.prepare(&self.record)) {
    operation.publish();
    ++self.waits;
    while (self.times_ready.load(base::acquire) < self.waits) {
      base::cpu_pause();
    }
  }
  try {
    require(operation.finish() == 1, "who was woken finds the value");
    return true;
  } catch (const martlet::cancelled&) {
    return false;
  }
}

void end(sleeper& self) { require(self.times_ready.load(base::relaxed) == self.waits, "a wait is ended once"); }

void woken() {
  sleeper self;
  gate door;
  run_threads({{"tasklet", [&] { require(wait(self, door), "nobody cancels"); }}, {"opener", [&] { door.open(); }}});
  end(self);
}

// What it waits on is its own.
void cancelled() {
  sleeper self;
  run_threads({{"tasklet",
                [&] {
                  gate never;
                  require(!wait(self, never), "nobody wakes it");
                }},
               {"canceller", [&] { detail::request_cancel(&self.record); }}});
  end(self);
}

// Fifteen seconds for every path.
void woken_or_cancelled() {
  sleeper self;
  gate door;
  run_threads({{"tasklet", [&] { wait(self, door); }},
               {"opener", [&] { door.open(); }},
               {"canceller", [&] { detail::request_cancel(&self.record); }}});
  end(self);
}

void cancelled_twice() {
  sleeper self;
  gate never;
  const auto cancel = [&] { detail::request_cancel(&self.record); };
  run_threads({{"tasklet", [&] { require(!wait(self, never), "nobody wakes it"); }}, {"one", cancel}, {"two", cancel}});
  end(self);
}

// The cancel may come while the tasklet goes from one wait to the next.
void waits_again() {
  sleeper self;
  gate door, never;
  door.open();
  run_threads({{"tasklet",
                [&] {
                  wait(self, door);
                  require(!wait(self, never), "nobody wakes it");
                }},
               {"canceller", [&] { detail::request_cancel(&self.record); }}});
  end(self);
}

void shielded() {
  sleeper self;
  gate door, never;
  door.open();
  run_threads({{"tasklet",
                [&] {
                  detail::raise_shield(self.record);
                  require(wait(self, door), "no cancel passes the shield");
                  detail::lower_shield(self.record);
                  require(!wait(self, never), "nobody wakes it");
                }},
               {"canceller", [&] { detail::request_cancel(&self.record); }}});
  end(self);
}

// Too large for every path.
void all_of_it() {
  sleeper self;
  gate door, never;
  run_threads({{"tasklet",
                [&] {
                  detail::raise_shield(self.record);
                  require(wait(self, door), "no cancel passes the shield");
                  detail::lower_shield(self.record);
                  require(!wait(self, never), "nobody wakes it");
                }},
               {"opener", [&] { door.open(); }},
               {"one", [&] { detail::request_cancel(&self.record); }},
               {"two", [&] { detail::request_cancel(&self.record); }}});
  end(self);
}

}  // namespace

TEST_SUITE("cancel") {
  TEST_CASE("a wake-up or a cancel ends a wait, and never both") {
    const std::tuple<const char*, void (*)(), std::uint64_t> programs[] = {
        {"a tasklet that waits, one that opens", woken, 21},
        {"a tasklet that waits, a canceller", cancelled, 442},
        {"a tasklet that waits, two cancellers", cancelled_twice, 68'999},
        {"a tasklet that waits twice, a canceller", waits_again, 445},
        {"a tasklet behind a shield, a canceller", shielded, 1470},
    };
    for (const auto& [name, program, executions] : programs) {
      const report found = explore(program);
      print(name, found);
      CHECK(found.holds());
      CHECK(found.executions == executions);
    }
  }

  TEST_CASE("a wake-up and a cancel at once") {
    const bool is_exhaustive = martlet::testing::test_level() != martlet::testing::level::quick;
    const report found =
        explore(woken_or_cancelled, {.seed = is_exhaustive ? 0U : 1U, .most = is_exhaustive ? 20'000'000U : 50'000U});
    print("a tasklet that waits, one that opens, a canceller", found);
    CHECK(found.holds());
    CHECK(found.executions == (is_exhaustive ? 756'617 : 50'000));
  }

  TEST_CASE("all of it, in random executions") {
    const report found = explore(all_of_it, {.seed = 1, .most = 20'000});
    print("a tasklet behind a shield, one that opens, two cancellers, at random", found);
    CHECK(found.holds());
  }

  TEST_CASE("mutants: no order can be weaker") {
    const char* const circle = "it forbids a circle that the model does not know";
    const auto unexplained = unexplained_mutants(
        {woken, cancelled, waits_again, shielded},
        {{"now = tasklet::tag_of(who.word_.load(base::acquire))", base::relaxed, "no tasklet ends here"},
         {"compare_exchange_weak(now, next, base::seq_cst)", base::relaxed, "a heavy fence follows"},
         {"fetch_and(static_cast<std::uint16_t>(~cancel::looking), base::release)", base::relaxed, circle},
         {"now = self.cancel_.load(base::acquire)", base::relaxed, circle},
         {"compare_exchange_weak(now, cancel::settled(change(now)),", base::relaxed, circle},
         {"now - cancel::shield)),", base::relaxed, "its own thread alone looks at what it lowers"}});
    INFO(doctest::toString(unexplained));
    CHECK(unexplained.empty());
  }
}
