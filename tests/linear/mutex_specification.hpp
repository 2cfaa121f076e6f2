#pragma once

#include <compare>
#include <cstddef>
#include <span>
#include <vector>

#include "queue.hpp"

namespace martlet::testing {

/// What a mutex promises: one owner at a time, who alone unlocks it; those who wait get it in the order in which they
/// came; `try_lock` gets it whenever nobody owns it; who is cancelled or whose limit comes does not own it. The owner of a
/// re-entrant one gets it again, and it is free when he has unlocked it as often.
class mutex_specification {
 public:
  static constexpr int nobody = -1;

  struct state {
    int owner = nobody;
    int depth = 0;  // how many more times the owner has locked it
    std::vector<std::size_t> waiters;
    actor_set cancelled = 0;

    auto operator<=>(const state&) const = default;
  };
  using outcomes = std::vector<outcome<state>>;

  state initial() const { return {}; }

  outcomes begin(const state& now, std::span<const operation> all, std::size_t i) const {
    const operation& one = all[i];
    switch (one.what.what) {
      case verb::lock: return come(now, all, i, take(now, one.actor, i));
      case verb::try_lock: {
        if (outcomes done = take(now, one.actor, i); !done.empty()) {
          return done;
        }
        return {{now, {{i, {ending::would_wait, 0, 0}}}}};
      }
      case verb::unlock: return unlock(now, all, i);
      case verb::cancel: return {cancel(now, all, i)};
      case verb::see_wait: return see_wait(now, all, i);
      default: return {};
    }
  }

  outcomes leave(const state& now, std::span<const operation> all, std::size_t i) const { return give_up(now, all, i); }

 private:
  static outcomes take(const state& now, int actor, std::size_t i) {
    if (now.owner != nobody && now.owner != actor) {
      return {};
    }
    outcome<state> done{now, {{i, {ending::done, 0, 0}}}};
    done.after.depth += now.owner == actor ? 1 : 0;
    done.after.owner = actor;
    return {done};
  }

  static outcomes unlock(const state& now, std::span<const operation> all, std::size_t i) {
    if (now.owner != all[i].actor) {
      return {};
    }
    outcome<state> done{now, {{i, {ending::done, 0, 0}}}};
    state& after = done.after;
    if (now.depth != 0) {
      --after.depth;
    } else if (now.waiters.empty()) {
      after.owner = nobody;
    } else {
      const std::size_t oldest = now.waiters.front();
      after.owner = all[oldest].actor;
      after.waiters.erase(after.waiters.begin());
      done.ended.push_back({oldest, {ending::done, 0, 0}});
    }
    return {done};
  }
};

}  // namespace martlet::testing
