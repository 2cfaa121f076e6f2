#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "cancels.hpp"
#include "checker.hpp"

/// The steps that specifications share whose state has one queue, `waiters`, and the `cancelled` ones.
namespace martlet::testing {

/// Returns   the step with which one that is on its way although it was cancelled finds that its limit has passed, which is
///           no wait; none when it has no limit.
template <class State>
std::vector<outcome<State>> pass_limit(const State& now, std::span<const operation> all, std::size_t i) {
  if (!all[i].what.limit) {
    return {};
  }
  return {{now, {{i, not_done(all[i], ending::deadline_passed)}}}};
}

/// Returns   the step with which somebody comes whose call may wait.
///
/// Takes     what the call does at once; nothing when it has to wait.
template <class State>
std::vector<outcome<State>> come(const State& now, std::span<const operation> all, std::size_t i,
                                 std::vector<outcome<State>> at_once) {
  if (has(now.cancelled, all[i].actor)) {
    if (has_to_be_cancelled(all, all[i])) {
      at_once.clear();
    } else if (at_once.empty()) {
      at_once = pass_limit(now, all, i);
    }
    at_once.push_back({now, {{i, not_done(all[i], ending::cancelled)}}});
  } else if (at_once.empty()) {
    at_once.push_back({now, {}});
    at_once.back().after.waiters.push_back(i);
  }
  return at_once;
}

/// Returns   the step with which one that waits gives up, since its limit has come; none when it has no limit.
template <class State>
std::vector<outcome<State>> give_up(const State& now, std::span<const operation> all, std::size_t i) {
  if (!all[i].what.limit) {
    return {};
  }
  outcome<State> gone{now, {{i, not_done(all[i], ending::deadline_passed)}}};
  std::erase(gone.after.waiters, i);
  return {gone};
}

/// Returns   the step of a cancel that leaves in the queue what its actor waits for.
template <class State>
outcome<State> mark_cancelled(const State& now, std::span<const operation> all, std::size_t i) {
  outcome<State> done{now, {{i, {ending::done, 0, 0}}}};
  done.after.cancelled = with(now.cancelled, all[i].what.number);
  return done;
}

/// Returns   the step of a cancel that ends at once what its actor waits for.
template <class State>
outcome<State> cancel(const State& now, std::span<const operation> all, std::size_t i) {
  outcome<State> done = mark_cancelled(now, all, i);
  if (const auto waits = wait_of(all[i].what.number, now.waiters, all)) {
    std::erase(done.after.waiters, *waits);
    done.ended.push_back({*waits, not_done(all[*waits], ending::cancelled)});
  }
  return done;
}

/// Returns   whether the actor that `sees` looks at may be seen to wait although it has been served: who serves several claims
///           one after the other, under the lock of what they wait for, and who looks at a tasklet's state takes no lock.
template <class Serves>
bool is_being_served(std::span<const operation> all, const operation& sees, verb waits, Serves serves) {
  const auto overlaps = [&sees](const operation& other) {
    return other.invoked < sees.responded && other.responded > sees.invoked;
  };
  const bool is_waiting = std::any_of(all.begin(), all.end(), [&](const operation& other) {
    return other.what.what == waits && other.actor == sees.what.number && other.got.how == ending::done &&
           overlaps(other);
  });
  return is_waiting &&
         std::any_of(all.begin(), all.end(), [&](const operation& other) { return serves(other) && overlaps(other); });
}

/// Returns   the step of who sees an actor wait; none when that does not.
template <class State>
std::vector<outcome<State>> see_wait(const State& now, std::span<const operation> all, std::size_t i) {
  if (!wait_of(all[i].what.number, now.waiters, all)) {
    return {};
  }
  return {{now, {{i, {ending::done, 0, 0}}}}};
}

}  // namespace martlet::testing
