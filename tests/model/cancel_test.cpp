#include <doctest/doctest.h>

#include <cstdint>

#include <martlet/tasklet/case_operation.hpp>
#include <martlet/tasklet/host.hpp>

#include "checker/explore.hpp"
#include "checker/mutants.hpp"
#include "checker/var.hpp"
#include "listed.hpp"
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

// A scope inside of another one ends, and takes back what it has asked for; the one outside is stopped meanwhile.
struct nested {
  crew all;
  sleeper self{all};
  base::atomic<bool> outer_is_stopped{false};

  void end_inner() {
    detail::forgive_scope(
        self,
        [](void* outer) {
          return static_cast<std::uint16_t>(static_cast<base::atomic<bool>*>(outer)->load(base::relaxed));
        },
        &outer_is_stopped);
  }
  void stop_outer() {
    outer_is_stopped.store(true, base::relaxed);
    detail::request_cancel(&self, 1);
  }
};

void forgiven() {
  nested scopes;
  static_cast<void>(detail::tell_to_stop(&scopes.self, 1));
  detail::stop_looking(scopes.self);
  run_threads({{"tasklet", [&] { scopes.end_inner(); }}, {"stops the outer one", [&] { scopes.stop_outer(); }}});
  require(scopes.self.is_cancelled(), "the tasklet stays stopped");
}

// Nobody has to look for a wait behind a shield.
void forgiven_behind_a_shield() {
  nested scopes;
  detail::raise_shield(scopes.self);
  run_threads({{"tasklet", [&] { scopes.end_inner(); }}, {"stops the outer one", [&] { scopes.stop_outer(); }}});
  detail::lower_shield(scopes.self);
  require(scopes.self.is_cancelled(), "the tasklet is stopped");
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
    check({
        {"a tasklet that waits, one that opens", woken, 21},
        {"a tasklet that waits, a canceller", cancelled, 442},
        {"a tasklet that waits, two cancellers", cancelled_twice, 141'176, martlet::testing::level::stress},
        {"a tasklet that waits twice, a canceller", waits_again, 445},
        {"a tasklet behind a shield, a canceller", shielded, 1470},
        {"a tasklet whose inner scope ends, one that stops the outer one", forgiven, 32},
        {"the same behind a shield", forgiven_behind_a_shield, 16},
    });
  }

  TEST_CASE("a wake-up and a cancel at once") {
    check({
        {"a tasklet that waits, one that opens, a canceller", woken_or_cancelled, 756'617,
         martlet::testing::level::thorough},
        {"a tasklet behind a shield, one that opens, two cancellers", all_of_it, 0},
    });
  }

  TEST_CASE("mutants: no order can be weaker") {
    const auto unexplained =
        unexplained_mutants({woken, cancelled, waits_again, shielded, forgiven, forgiven_behind_a_shield},
                            {"cancel.cpp", "wait.hpp", "case_operation.hpp"}, {});
    INFO(doctest::toString(unexplained));
    CHECK(unexplained.empty());
  }
}
