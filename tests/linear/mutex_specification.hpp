#pragma once

#include <compare>
#include <cstddef>
#include <span>
#include <vector>

#include "cancels.hpp"
#include "checker.hpp"

namespace martlet::testing {

/// What a mutex promises: one owner at a time, who alone unlocks it; those who wait get it in the order in which they
/// came; `try_lock` gets it whenever nobody owns it; who is cancelled or whose limit comes does not own it.
class mutex_specification {
 public:
  static constexpr int nobody = -1;

  struct state {
    int owner = nobody;
    std::vector<std::size_t> waiters;
    actor_set cancelled = 0;

    auto operator<=>(const state&) const = default;
  };
  using outcomes = std::vector<outcome<state>>;

  state initial() const { return {}; }

  outcomes begin(const state& now, std::span<const operation> all, std::size_t i) const {
    const operation& one = all[i];
    switch (one.what.what) {
      case verb::lock: return begin_lock(now, all, i);
      case verb::try_lock:
        if (now.owner == nobody) {
          return {owned_by(now, one.actor, i)};
        }
        return {{now, {{i, {ending::would_wait, 0, 0}}}}};
      case verb::unlock: {
        if (now.owner != one.actor) {
          return {};
        }
        if (now.waiters.empty()) {
          return {owned_by(now, nobody, i)};
        }
        const std::size_t oldest = now.waiters.front();
        outcome<state> handed = owned_by(now, all[oldest].actor, i);
        handed.after.waiters.erase(handed.after.waiters.begin());
        handed.ended.push_back({oldest, {ending::done, 0, 0}});
        return {handed};
      }
      case verb::cancel: {
        outcome<state> done{now, {{i, {ending::done, 0, 0}}}};
        done.after.cancelled = with(now.cancelled, one.what.number);
        if (const auto waits = wait_of(one.what.number, now.waiters, all)) {
          std::erase(done.after.waiters, *waits);
          done.ended.push_back({*waits, not_done(all[*waits], ending::cancelled)});
        }
        return {done};
      }
      case verb::see_wait:
        if (!wait_of(one.what.number, now.waiters, all)) {
          return {};
        }
        return {{now, {{i, {ending::done, 0, 0}}}}};
      default: return {};
    }
  }

  outcomes leave(const state& now, std::span<const operation> all, std::size_t i) const {
    if (!all[i].what.limit) {
      return {};
    }
    outcome<state> gone{now, {{i, not_done(all[i], ending::deadline_passed)}}};
    std::erase(gone.after.waiters, i);
    return {gone};
  }

 private:
  static outcomes begin_lock(const state& now, std::span<const operation> all, std::size_t i) {
    outcomes possible;
    if (now.owner == nobody) {
      possible.push_back(owned_by(now, all[i].actor, i));
    }
    if (has(now.cancelled, all[i].actor)) {
      if (has_to_be_cancelled(all, all[i])) {
        possible.clear();
      }
      possible.push_back({now, {{i, not_done(all[i], ending::cancelled)}}});
    } else if (possible.empty()) {
      outcome<state> waits{now, {}};
      waits.after.waiters.push_back(i);
      possible.push_back(std::move(waits));
    }
    return possible;
  }

  static outcome<state> owned_by(const state& now, int owner, std::size_t i) {
    outcome<state> done{now, {{i, {ending::done, 0, 0}}}};
    done.after.owner = owner;
    return done;
  }
};

}  // namespace martlet::testing
