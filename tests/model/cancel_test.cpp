#include <doctest/doctest.h>

#include <cstdint>
#include <tuple>

#include <martlet/tasklet/case_operation.hpp>
#include <martlet/tasklet/host.hpp>

#include "checker/explore.hpp"
#include "checker/mutants.hpp"
#include "checker/var.hpp"
#include "scale.hpp"
#include "sleeper.hpp"

// Waits of one tasklet: who claims one, a wake-up or a cancel, and that neither is lost. The tasklet is a model thread that
// sleeps until it is made ready.

namespace base = martlet::base;
namespace detail = martlet::detail;
using namespace martlet::model;

namespace {

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
bool wait_at(sleeper& self, gate& in) {
  try {
    require(wait(self, gate_wait(in)) == 1, "who was woken finds the value");
    return true;
  } catch (const martlet::cancelled&) {
    return false;
  }
}

void woken() {
  crew all;
  sleeper self(all);
  gate door;
  run_threads({{"tasklet", [&] { require(wait_at(self, door), "nobody cancels"); }}, {"opener", [&] { door.open(); }}});
  self.end();
}

// What it waits on is its own.
void cancelled() {
  crew all;
  sleeper self(all);
  run_threads({{"tasklet",
                [&] {
                  gate never;
                  require(!wait_at(self, never), "nobody wakes it");
                }},
               {"canceller", [&] { detail::request_cancel(&self); }}});
  self.end();
}

// Fifteen seconds for every path.
void woken_or_cancelled() {
  crew all;
  sleeper self(all);
  gate door;
  run_threads({{"tasklet", [&] { wait_at(self, door); }},
               {"opener", [&] { door.open(); }},
               {"canceller", [&] { detail::request_cancel(&self); }}});
  self.end();
}

void cancelled_twice() {
  crew all;
  sleeper self(all);
  gate never;
  const auto cancel = [&] { detail::request_cancel(&self); };
  run_threads({{"tasklet", [&] { require(!wait_at(self, never), "nobody wakes it"); }},
               {"one", cancel},
               {"two", cancel}});
  self.end();
}

// The cancel may come while the tasklet goes from one wait to the next.
void waits_again() {
  crew all;
  sleeper self(all);
  gate door, never;
  door.open();
  run_threads({{"tasklet",
                [&] {
                  wait_at(self, door);
                  require(!wait_at(self, never), "nobody wakes it");
                }},
               {"canceller", [&] { detail::request_cancel(&self); }}});
  self.end();
}

void shielded() {
  crew all;
  sleeper self(all);
  gate door, never;
  door.open();
  run_threads({{"tasklet",
                [&] {
                  detail::raise_shield(self);
                  require(wait_at(self, door), "no cancel passes the shield");
                  detail::lower_shield(self);
                  require(!wait_at(self, never), "nobody wakes it");
                }},
               {"canceller", [&] { detail::request_cancel(&self); }}});
  self.end();
}

// Too large for every path.
void all_of_it() {
  crew all;
  sleeper self(all);
  gate door, never;
  run_threads({{"tasklet",
                [&] {
                  detail::raise_shield(self);
                  require(wait_at(self, door), "no cancel passes the shield");
                  detail::lower_shield(self);
                  require(!wait_at(self, never), "nobody wakes it");
                }},
               {"opener", [&] { door.open(); }},
               {"one", [&] { detail::request_cancel(&self); }},
               {"two", [&] { detail::request_cancel(&self); }}});
  self.end();
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
        {woken, cancelled, waits_again, shielded}, {"cancel.cpp", "wait.hpp", "case_operation.hpp", "[word.finish]"},
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
