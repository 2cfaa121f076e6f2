#pragma once

#include <algorithm>
#include <array>
#include <compare>
#include <cstddef>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "queue.hpp"

namespace martlet::testing {

/// What two channels promise, alone and in a select.
///
/// A value is received once and in the order in which values were sent; what lies in the buffer is older than what
/// waiting senders offer. Both sides are served in the order in which they came. A select does one case, any of those
/// that can be done, and stands in the queues of all when none can. Cancelled, timed out or closed, a send leaves its
/// value with the sender, and a receive takes none. A closed channel takes nothing, and gives what is left in it. A close ends
/// those who wait one by one, and has returned when it has ended all: a select may be done by another case until its turn
/// comes, though an older one was ended already.
class channel_specification {
 public:
  struct wait {
    std::size_t operation;
    std::size_t which;  // of its cases

    auto operator<=>(const wait&) const = default;
  };
  struct pipe {
    bool is_closed = false;
    std::vector<int> buffer;
    std::vector<wait> senders;
    std::vector<wait> receivers;

    auto operator<=>(const pipe&) const = default;
  };
  struct state {
    std::array<pipe, 2> pipes;
    actor_set cancelled = 0;

    auto operator<=>(const state&) const = default;
  };
  using outcomes = std::vector<outcome<state>>;

  explicit channel_specification(std::array<std::size_t, 2> capacities) : capacities_(capacities) {}

  state initial() const { return {}; }

  outcomes begin(const state& now, std::span<const operation> all, std::size_t i) const {
    switch (all[i].what.what) {
      case verb::send:
      case verb::receive:
      case verb::select: return begin_wait(now, all, i);
      case verb::try_send:
      case verb::try_receive: {
        auto done = try_case(now, all, i, 0);
        return {done ? std::move(*done) : outcome<state>{now, {{i, not_done(all[i], ending::would_wait)}}}};
      }
      case verb::close: return {close(now, all, i)};
      case verb::cancel: return {cancel(now, all, i)};
      case verb::see_wait: return see_wait(now, all, i);
      default: return {};
    }
  }

  outcomes leave(const state& now, std::span<const operation> all, std::size_t i) const {
    if (all[i].what.what == verb::close) {
      return nobody_waits(now.pipes[channel_of(all[i])]) ? outcomes{{now, {{i, {ending::done, 0, 0}}}}} : outcomes{};
    }
    outcomes possible = end_at_close(now, all, i);
    if (all[i].what.limit) {
      possible.push_back(without(now, i, not_done(all[i], ending::deadline_passed)));
    }
    return possible;
  }

 private:
  outcomes begin_wait(const state& now, std::span<const operation> all, std::size_t i) const {
    outcomes possible;
    for (std::size_t which = 0; which < all[i].what.cases.size(); ++which) {
      if (auto done = try_case(now, all, i, which)) {
        possible.push_back(std::move(*done));
      }
    }
    if (has(now.cancelled, all[i].actor)) {
      if (has_to_be_cancelled(all, all[i])) {
        possible.clear();
      } else if (possible.empty()) {
        possible = pass_limit(now, all, i);
      }
      possible.push_back({now, {{i, not_done(all[i], ending::cancelled)}}});
    } else if (possible.empty()) {
      outcome<state> waits{now, {}};
      for (std::size_t which = 0; which < all[i].what.cases.size(); ++which) {
        const branch& part = all[i].what.cases[which];
        pipe& in = waits.after.pipes[part.channel];
        (part.what == verb::send ? in.senders : in.receivers).push_back({i, which});
      }
      possible.push_back(std::move(waits));
    }
    return possible;
  }

  // What a case does when it can be done at once.
  std::optional<outcome<state>> try_case(const state& now, std::span<const operation> all, std::size_t i,
                                         std::size_t which) const {
    const branch& part = all[i].what.cases[which];
    outcome<state> done{now, {}};
    pipe& in = done.after.pipes[part.channel];
    if (part.what == verb::send) {
      if (in.is_closed) {
        done.ended.push_back({i, not_done(all[i], ending::closed)});
        return done;
      }
      if (!in.receivers.empty()) {
        const wait partner = in.receivers.front();
        withdraw(done.after, partner.operation);
        done.ended.push_back({partner.operation, {ending::done, partner.which, part.value}});
      } else if (in.buffer.size() < capacities_[part.channel]) {
        in.buffer.push_back(part.value);
      } else {
        return std::nullopt;
      }
      done.ended.push_back({i, {ending::done, which, 0}});
      return done;
    }
    std::optional<wait> partner;
    if (!in.senders.empty()) {
      partner = in.senders.front();
      withdraw(done.after, partner->operation);
      in.buffer.push_back(all[partner->operation].what.cases[partner->which].value);
      done.ended.push_back({partner->operation, {ending::done, partner->which, 0}});
    }
    if (!in.buffer.empty()) {
      done.ended.push_back({i, {ending::done, which, in.buffer.front()}});
      in.buffer.erase(in.buffer.begin());
    } else if (in.is_closed) {
      done.ended.push_back({i, {ending::empty, which, 0}});
    } else {
      return std::nullopt;
    }
    return done;
  }

  static std::size_t channel_of(const operation& closes) { return closes.what.cases.front().channel; }
  static bool nobody_waits(const pipe& in) { return in.senders.empty() && in.receivers.empty(); }

  static outcome<state> close(const state& now, std::span<const operation> all, std::size_t i) {
    outcome<state> closed{now, {}};
    pipe& in = closed.after.pipes[channel_of(all[i])];
    in.is_closed = true;
    if (nobody_waits(in)) {
      closed.ended.push_back({i, {ending::done, 0, 0}});
    }
    return closed;
  }

  // Of a select that stands there with several cases any may find the channel closed.
  static outcomes end_at_close(const state& now, std::span<const operation> all, std::size_t i) {
    outcomes possible;
    for (const pipe& in : now.pipes) {
      if (!in.is_closed) {
        continue;
      }
      for (const wait& one : in.senders) {
        if (one.operation == i) {
          possible.push_back(without(now, i, not_done(all[i], ending::closed)));
        }
      }
      for (const wait& one : in.receivers) {
        if (one.operation == i) {
          possible.push_back(without(now, i, {ending::empty, one.which, 0}));
        }
      }
    }
    return possible;
  }

  // The state when one that waits has ended with this.
  static outcome<state> without(const state& now, std::size_t operation, const result& got) {
    outcome<state> gone{now, {{operation, got}}};
    withdraw(gone.after, operation);
    return gone;
  }

  static outcome<state> cancel(const state& now, std::span<const operation> all, std::size_t i) {
    outcome<state> done{now, {{i, {ending::done, 0, 0}}}};
    done.after.cancelled = with(now.cancelled, all[i].what.number);
    if (const auto waits = wait_of(now, all, all[i].what.number)) {
      withdraw(done.after, *waits);
      done.ended.push_back({*waits, not_done(all[*waits], ending::cancelled)});
    }
    return done;
  }

  static outcomes see_wait(const state& now, std::span<const operation> all, std::size_t i) {
    if (!wait_of(now, all, all[i].what.number)) {
      return {};
    }
    return {{now, {{i, {ending::done, 0, 0}}}}};
  }

  static std::optional<std::size_t> wait_of(const state& now, std::span<const operation> all, int actor) {
    for (const pipe& in : now.pipes) {
      for (const auto* queue : {&in.senders, &in.receivers}) {
        for (const wait& one : *queue) {
          if (all[one.operation].actor == actor) {
            return one.operation;
          }
        }
      }
    }
    return std::nullopt;
  }

  static void withdraw(state& now, std::size_t operation) {
    for (pipe& in : now.pipes) {
      std::erase_if(in.senders, [&](const wait& one) { return one.operation == operation; });
      std::erase_if(in.receivers, [&](const wait& one) { return one.operation == operation; });
    }
  }

  std::array<std::size_t, 2> capacities_;
};

}  // namespace martlet::testing
