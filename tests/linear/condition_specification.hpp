#pragma once

#include <algorithm>
#include <compare>
#include <cstddef>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "cancels.hpp"
#include "mutex_specification.hpp"

namespace martlet::testing {

/// What a condition and its mutex promise: a wait lets go of the mutex and stands among the waiters in one step, so that
/// who has the mutex next gives it his notice; `notify_one` means who has waited longest, and nobody when nobody waits; a
/// wait without a limit ends by a notice or a cancel only. However it ends, its actor has the mutex then, for which it
/// queues like others, at a moment of its own, and which no cancel keeps from it.
class condition_specification {
 public:
  struct state {
    mutex_specification::state door;
    std::vector<std::size_t> waiters;         // for a notice
    std::map<std::size_t, ending> returning;  // how the wait for a notice ended, until they have the mutex

    auto operator<=>(const state&) const = default;
  };
  using outcomes = std::vector<outcome<state>>;

  state initial() const { return {}; }

  outcomes begin(const state& now, std::span<const operation> all, std::size_t i) const {
    switch (all[i].what.what) {
      case verb::lock:
      case verb::try_lock: return of_door(now, mutex_specification().begin(now.door, all, i));
      case verb::unlock: {
        if (now.door.owner != all[i].actor) {
          return {};
        }
        outcome<state> done{now, {{i, {ending::done, 0, 0}}}};
        hand_over(done, all);
        return {done};
      }
      case verb::wait: return begin_wait(now, all, i);
      case verb::notify_one:
      case verb::notify_all: {
        outcome<state> done{now, {{i, {ending::done, 0, 0}}}};
        const std::size_t all_of_them = now.waiters.size();
        const std::size_t meant =
            all[i].what.what == verb::notify_one ? std::min<std::size_t>(1, all_of_them) : all_of_them;
        for (std::size_t k = 0; k < meant; ++k) {
          end_wait(done.after, now.waiters[k], ending::done);
        }
        return {done};
      }
      case verb::cancel: return {cancel(now, all, i)};
      case verb::see_wait:
        if (wait_of(all[i].what.number, now.waiters, all) || wait_of(all[i].what.number, now.door.waiters, all) ||
            is_about_to_wait(now, all, all[i])) {
          return {{now, {{i, {ending::done, 0, 0}}}}};
        }
        return {};
      default: return {};
    }
  }

  outcomes leave(const state& now, std::span<const operation> all, std::size_t i) const {
    if (all[i].what.what == verb::lock) {
      return of_door(now, mutex_specification().leave(now.door, all, i));
    }
    outcome<state> step{now, {}};
    if (!now.returning.contains(i)) {
      if (!all[i].what.limit) {
        return {};
      }
      end_wait(step.after, i, ending::deadline_passed);
    } else if (now.door.owner == mutex_specification::nobody) {
      give(step, i, all);
    } else if (!wait_of(all[i].actor, now.door.waiters, all)) {
      step.after.door.waiters.push_back(i);
    } else {
      return {};
    }
    return {step};
  }

 private:
  // A tasklet counts as blocked a moment before it lets go of the mutex. Notices do not come in between, other locks may.
  static bool is_about_to_wait(const state& now, std::span<const operation> all, const operation& sees) {
    return now.door.owner == sees.what.number && std::any_of(all.begin(), all.end(), [&](const operation& other) {
             return other.actor == sees.what.number && other.what.what == verb::wait &&
                    other.invoked < sees.responded && other.responded > sees.invoked;
           });
  }

  // One that was cancelled before does not wait, and keeps the mutex; one that is cancelled meanwhile may have let go of it.
  static outcomes begin_wait(const state& now, std::span<const operation> all, std::size_t i) {
    if (now.door.owner != all[i].actor) {
      return {};
    }
    const bool is_cancelled = has(now.door.cancelled, all[i].actor);
    outcomes possible;
    if (is_cancelled) {
      possible.push_back({now, {{i, not_done(all[i], ending::cancelled)}}});
    }
    if (!has_to_be_cancelled(all, all[i])) {
      outcome<state> waits{now, {}};
      waits.after.waiters.push_back(i);
      if (is_cancelled && all[i].what.limit) {  // which may have passed before it looked
        possible.push_back(waits);
        end_wait(possible.back().after, i, ending::deadline_passed);
        hand_over(possible.back(), all);
      }
      if (is_cancelled) {
        end_wait(waits.after, i, ending::cancelled);
      }
      hand_over(waits, all);
      possible.push_back(std::move(waits));
    }
    return possible;
  }

  static outcome<state> cancel(const state& now, std::span<const operation> all, std::size_t i) {
    outcome<state> done{now, {{i, {ending::done, 0, 0}}}};
    const int whom = all[i].what.number;
    done.after.door.cancelled = with(now.door.cancelled, whom);
    if (const auto waits = wait_of(whom, now.waiters, all)) {
      end_wait(done.after, *waits, ending::cancelled);
    } else if (const auto locks = wait_of(whom, now.door.waiters, all); locks && !now.returning.contains(*locks)) {
      std::erase(done.after.door.waiters, *locks);
      done.ended.push_back({*locks, not_done(all[*locks], ending::cancelled)});
    }
    return done;
  }

  static void end_wait(state& now, std::size_t which, ending how) {
    std::erase(now.waiters, which);
    now.returning.emplace(which, how);
  }

  // Gives the mutex to the oldest who waits for it.
  static void hand_over(outcome<state>& step, std::span<const operation> all) {
    auto& door = step.after.door;
    door.owner = mutex_specification::nobody;
    if (!door.waiters.empty()) {
      const std::size_t oldest = door.waiters.front();
      door.waiters.erase(door.waiters.begin());
      give(step, oldest, all);
    }
  }

  static void give(outcome<state>& step, std::size_t which, std::span<const operation> all) {
    step.after.door.owner = all[which].actor;
    const auto waited = step.after.returning.find(which);
    const bool has_locked = waited == step.after.returning.end();
    step.ended.push_back({which, {has_locked ? ending::done : waited->second, 0, 0}});
    if (!has_locked) {
      step.after.returning.erase(waited);
    }
  }

  static outcomes of_door(const state& now, std::vector<outcome<mutex_specification::state>> steps) {
    outcomes possible;
    for (auto& one : steps) {
      possible.push_back({{std::move(one.after), now.waiters, now.returning}, std::move(one.ended)});
    }
    return possible;
  }
};

}  // namespace martlet::testing
