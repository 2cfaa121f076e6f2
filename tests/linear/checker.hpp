#pragma once

#include <algorithm>
#include <compare>
#include <concepts>
#include <cstdint>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "history.hpp"

namespace martlet::testing {

/// What one step of a specification leads to: a new state, and the operations that end by it with what they get. A send
/// that meets a receiver ends both.
template <class State>
struct outcome {
  State after;
  std::vector<std::pair<std::size_t, result>> ended;  // numbers of operations in the history
};

/// What an object promises, one step after the other.
///
/// `begin` is the step with which an operation comes: it is done, or it turns out that it has to wait. `leave` is the
/// step with which one that waits gives up by itself, since its limit has come. Each tells every outcome that is
/// allowed, and none when the step is not possible. The state holds who waits, in its order.
template <class S>
concept specification =
    requires(const S& rules, const typename S::state& now, std::span<const operation> all, std::size_t which) {
      { rules.initial() } -> std::same_as<typename S::state>;
      { rules.begin(now, all, which) } -> std::same_as<std::vector<outcome<typename S::state>>>;
      { rules.leave(now, all, which) } -> std::same_as<std::vector<outcome<typename S::state>>>;
    };

/// What the checker found.
struct verdict {
  bool is_allowed = false;
  std::vector<std::size_t> order;  // the operations, as they took effect; as far as it goes when nothing was found
  std::size_t positions = 0;       // that were looked at
};

/// Looks for an order of the steps that explains a history.
///
/// An operation that waits has two moments at which it takes effect: it comes, which others may notice since they are
/// served after it, and it is served. Both lie between its invocation and its response. That is the linearizability of
/// dual data structures, with reservation and fulfilment; the fulfilment is a part of the step of whoever serves it, so
/// that a rendezvous is one step of two operations. The search is that of Wing and Gong: any operation may come next
/// that was invoked before the earliest response of those that have not ended. What was looked at in vain once, the
/// same operations over and the same state, is not looked at again.
///
/// Source    Wing, Gong: Testing and verifying concurrent objects. JPDC 17, 1993, doi:10.1006/jpdc.1993.1015. Lowe:
///           Testing for linearizability. CCPE 29(4), 2017, doi:10.1002/cpe.3928, and Horn, Kroening: Faster
///           linearizability checking via P-compositionality. FORTE 2015, doi:10.1007/978-3-319-19195-9_4, for the
///           memory of states. Scherer, Scott: Nonblocking concurrent data structures with condition synchronization.
///           DISC 2004, doi:10.1007/978-3-540-30186-8_13, for reservation and fulfilment.
template <specification S>
class checker {
 public:
  static constexpr std::size_t most_operations = 64;

  checker(const S& rules, std::span<const operation> all) : rules_(rules), all_(all) {}

  verdict run() {
    found_.is_allowed = all_.size() <= most_operations && search({.begun = 0, .ended = 0, .now = rules_.initial()});
    found_.positions = seen_.size();
    return found_;
  }

 private:
  using state = typename S::state;

  struct position {
    std::uint64_t begun;  // a bit for each operation
    std::uint64_t ended;
    state now;

    auto operator<=>(const position&) const = default;
  };

  static bool has(std::uint64_t set, std::size_t which) { return ((set >> which) & 1U) != 0; }
  static std::uint64_t with(std::uint64_t set, std::size_t which) { return set | std::uint64_t{1} << which; }

  bool search(const position& at) {
    unsigned horizon = operation::never;
    bool is_over = true;
    for (std::size_t i = 0; i < all_.size(); ++i) {
      if (!has(at.ended, i)) {
        is_over = false;
        horizon = std::min(horizon, all_[i].responded);
      }
    }
    if (is_over) {
      found_.order = path_;
      return true;
    }
    if (!seen_.insert(at).second) {
      return false;
    }
    for (std::size_t i = 0; i < all_.size(); ++i) {
      if (!has(at.begun, i) && all_[i].invoked < horizon) {
        path_.push_back(i);
        if (path_.size() > found_.order.size()) {
          found_.order = path_;
        }
        if (follow(at, with(at.begun, i), rules_.begin(at.now, all_, i))) {
          return true;
        }
        path_.pop_back();
      } else if (has(at.begun, i) && !has(at.ended, i) && follow(at, at.begun, rules_.leave(at.now, all_, i))) {
        return true;
      }
    }
    return false;
  }

  // Takes only outcomes in which everybody gets what he really got.
  bool follow(const position& at, std::uint64_t begun, std::vector<outcome<state>> outcomes) {
    for (outcome<state>& one : outcomes) {
      position next{.begun = begun, .ended = at.ended, .now = std::move(one.after)};
      bool is_real = true;
      for (const auto& [which, got] : one.ended) {
        is_real = is_real && all_[which].got == got;
        next.ended = with(next.ended, which);
      }
      if (is_real && search(next)) {
        return true;
      }
    }
    return false;
  }

  const S& rules_;
  std::span<const operation> all_;
  std::set<position> seen_;
  std::vector<std::size_t> path_;
  verdict found_;
};

template <specification S>
verdict check(const S& rules, std::span<const operation> all) {
  return checker<S>(rules, all).run();
}

}  // namespace martlet::testing
