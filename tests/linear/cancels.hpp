#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "history.hpp"

/// What a cancel means to every wait; a part of each specification.
namespace martlet::testing {

/// The actors that were cancelled, a bit for each.
using actor_set = unsigned;

inline bool has(actor_set set, int actor) { return ((set >> actor) & 1U) != 0; }
inline actor_set with(actor_set set, int actor) { return set | 1U << actor; }

/// Returns   whether an operation was begun after a cancel of its actor had returned. Then it has to throw. One that
///           was already on its way may have looked before: it may still do what can be done at once, but it does not
///           wait.
inline bool has_to_be_cancelled(std::span<const operation> all, const operation& one) {
  return std::any_of(all.begin(), all.end(), [&](const operation& other) {
    return other.what.what == verb::cancel && other.what.number == one.actor && other.responded < one.invoked;
  });
}

/// Returns   what somebody gets whose operation was not done. A send gives the value back; a select cannot, it took all
///           of its operations.
inline result not_done(const operation& one, ending how) {
  const bool is_send = one.what.what == verb::send || one.what.what == verb::try_send;
  return {.how = how, .which = 0, .value = is_send ? one.what.cases.front().value : 0};
}

/// Returns   the operation of `actor` that stands in a queue of such.
inline std::optional<std::size_t> wait_of(int actor, const std::vector<std::size_t>& queue,
                                          std::span<const operation> all) {
  for (const std::size_t waits : queue) {
    if (all[waits].actor == actor) {
      return waits;
    }
  }
  return std::nullopt;
}

}  // namespace martlet::testing
