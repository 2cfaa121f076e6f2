#pragma once

#include <chrono>
#include <optional>
#include <utility>

#include <martlet/channel.hpp>

#include "dice.hpp"
#include "operation.hpp"

/// Limits of calls that may wait: some that have passed already, some that come meanwhile.
namespace martlet::testing {

inline std::optional<int> draw_limit(dice& random) {
  return random.one_in(3) ? std::optional<int>(random.one_of({0, 10, 50, 200})) : std::nullopt;
}

inline std::chrono::microseconds limit_of(const call& what) { return std::chrono::microseconds(*what.limit); }

/// Gives an operation to `then`, within the limit of its call if that has one.
template <class Op, class Then>
auto with_limit(const call& what, Op op, Then then) {
  return what.limit ? then(within(limit_of(what), std::move(op))) : then(std::move(op));
}

}  // namespace martlet::testing
