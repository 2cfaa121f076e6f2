#pragma once

#include <compare>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "queue.hpp"

namespace martlet::testing {

/// What an event and a wait group promise: a gate that some number of things keep shut. Who comes while that is 0 does not
/// wait, and all who wait go on with the step that makes it 0, even when the gate is shut at once. Of an event it is 1 or
/// 0, and set to that; of a wait group it is added to.
class gate_specification {
 public:
  struct state {
    int shut_by = 0;
    std::vector<std::size_t> waiters;
    actor_set cancelled = 0;

    auto operator<=>(const state&) const = default;
  };
  using outcomes = std::vector<outcome<state>>;

  explicit gate_specification(int shut_by) : shut_by_(shut_by) {}

  state initial() const { return {.shut_by = shut_by_, .waiters = {}, .cancelled = 0}; }

  outcomes begin(const state& now, std::span<const operation> all, std::size_t i) const {
    const operation& one = all[i];
    const outcome<state> done{now, {{i, {ending::done, 0, 0}}}};
    switch (one.what.what) {
      case verb::wait: return come(now, all, i, now.shut_by == 0 ? outcomes{done} : outcomes{});
      case verb::set: return {turned_to(done, one.what.number)};
      case verb::add: return {turned_to(done, now.shut_by + one.what.number)};
      case verb::count: return {{now, {{i, {ending::done, 0, now.shut_by}}}}};
      case verb::cancel: return {cancel(now, all, i)};
      case verb::see_wait: return is_being_let_go(all, one) ? outcomes{done} : see_wait(now, all, i);
      default: return {};
    }
  }

  outcomes leave(const state& now, std::span<const operation> all, std::size_t i) const { return give_up(now, all, i); }

 private:
  static outcome<state> turned_to(outcome<state> step, int shut_by) {
    step.after.shut_by = shut_by;
    if (shut_by == 0) {
      for (const std::size_t waits : std::exchange(step.after.waiters, {})) {
        step.ended.push_back({waits, {ending::done, 0, 0}});
      }
    }
    return step;
  }

  static bool is_being_let_go(std::span<const operation> all, const operation& sees) {
    return is_being_served(all, sees, verb::wait, [](const operation& other) {
      return (other.what.what == verb::set && other.what.number == 0) ||
             (other.what.what == verb::add && other.what.number < 0);
    });
  }

  int shut_by_;
};

}  // namespace martlet::testing
