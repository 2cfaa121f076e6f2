#pragma once

#include <compare>
#include <cstddef>
#include <span>
#include <vector>

#include "queue.hpp"

namespace martlet::testing {

/// What a semaphore promises: no more units are taken than there are; those who wait are served in the order in which
/// they came, and a large request is not overtaken by small ones behind it, `try_acquire` neither; who is cancelled or
/// whose limit comes takes nothing.
///
/// A request whose cancel or limit has come gets nothing any more, but it stands in the queue until its tasklet has run
/// and taken it out. So that a cancel and the end of the wait are two steps here.
class semaphore_specification {
 public:
  struct state {
    int available = 0;
    std::vector<std::size_t> waiters;
    actor_set cancelled = 0;

    auto operator<=>(const state&) const = default;
  };
  using outcomes = std::vector<outcome<state>>;

  explicit semaphore_specification(int units) : units_(units) {}

  state initial() const { return {.available = units_, .waiters = {}, .cancelled = 0}; }

  outcomes begin(const state& now, std::span<const operation> all, std::size_t i) const {
    const operation& one = all[i];
    switch (one.what.what) {
      case verb::acquire: return begin_acquire(now, all, i);
      case verb::try_acquire:
        if (suffices(now, one)) {
          return {taken_by(now, all, i)};
        }
        return {{now, {{i, {ending::would_wait, 0, 0}}}}};
      case verb::release: {
        outcome<state> done{now, {{i, {ending::done, 0, 0}}}};
        done.after.available += one.what.number;
        grant(done, all);
        return {done};
      }
      case verb::available: return {{now, {{i, {ending::done, 0, now.available}}}}};
      case verb::cancel: return {mark_cancelled(now, all, i)};
      case verb::see_wait:
        return is_being_granted(all, one) ? outcomes{{now, {{i, {ending::done, 0, 0}}}}} : see_wait(now, all, i);
      default: return {};
    }
  }

  outcomes leave(const state& now, std::span<const operation> all, std::size_t i) const {
    const bool is_cancelled = has(now.cancelled, all[i].actor);
    if (!is_cancelled && !all[i].what.limit) {
      return {};
    }
    outcomes possible;
    for (const ending how : {ending::cancelled, ending::deadline_passed}) {
      if (how == ending::cancelled ? is_cancelled : all[i].what.limit.has_value()) {
        outcome<state> gone{now, {{i, not_done(all[i], how)}}};
        std::erase(gone.after.waiters, i);
        grant(gone, all);
        possible.push_back(std::move(gone));
      }
    }
    return possible;
  }

 private:
  static bool suffices(const state& now, const operation& request) {
    return now.waiters.empty() && now.available >= request.what.number;
  }

  static outcomes begin_acquire(const state& now, std::span<const operation> all, std::size_t i) {
    outcomes possible;
    const bool is_cancelled = has(now.cancelled, all[i].actor);
    if (!has_to_be_cancelled(all, all[i])) {
      if (suffices(now, all[i])) {
        possible.push_back(taken_by(now, all, i));
      } else {  // one that is cancelled meanwhile may stand there for a moment, too
        possible.push_back({now, {}});
        possible.back().after.waiters.push_back(i);
      }
    }
    if (is_cancelled) {
      possible.push_back({now, {{i, not_done(all[i], ending::cancelled)}}});
    }
    return possible;
  }

  static outcome<state> taken_by(const state& now, std::span<const operation> all, std::size_t i) {
    outcome<state> done{now, {{i, {ending::done, 0, 0}}}};
    done.after.available -= all[i].what.number;
    return done;
  }

  // By who releases, or by one who gives up and had held others up.
  static bool is_being_granted(std::span<const operation> all, const operation& sees) {
    return is_being_served(all, sees, verb::acquire, [](const operation& other) {
      return other.what.what == verb::release || (other.what.what == verb::acquire && other.got.how != ending::done);
    });
  }

  // Serves those who wait, the oldest first, as long as it suffices.
  static void grant(outcome<state>& step, std::span<const operation> all) {
    state& now = step.after;
    while (!now.waiters.empty()) {
      const std::size_t oldest = now.waiters.front();
      const bool is_out = has(now.cancelled, all[oldest].actor);
      if (is_out || all[oldest].what.number > now.available) {
        return;
      }
      now.available -= all[oldest].what.number;
      now.waiters.erase(now.waiters.begin());
      step.ended.push_back({oldest, {ending::done, 0, 0}});
    }
  }

  int units_;
};

}  // namespace martlet::testing
