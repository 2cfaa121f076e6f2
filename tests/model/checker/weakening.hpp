#pragma once

#include <atomic>
#include <optional>
#include <set>
#include <string>

#include "operation.hpp"

namespace martlet::model {

/// Returns   `order` as far as `most` allows it: what acquires does so only if both do, and what releases alike. Takes what the
///           operation does; a fence, which does neither, is gone unless it may be seq_cst.
constexpr memory_order at_most(memory_order order, memory_order most, bool is_read, bool is_written) noexcept {
  const auto acquires = [](memory_order which) {
    return which == std::memory_order_acquire || which == std::memory_order_acq_rel ||
           which == std::memory_order_seq_cst;
  };
  const auto releases = [](memory_order which) {
    return which == std::memory_order_release || which == std::memory_order_acq_rel ||
           which == std::memory_order_seq_cst;
  };
  if (most == std::memory_order_seq_cst) {
    return order;
  }
  const bool acquires_still = is_read && acquires(order) && acquires(most);
  const bool releases_still = is_written && releases(order) && releases(most);
  return acquires_still && releases_still ? std::memory_order_acq_rel
         : acquires_still                 ? std::memory_order_acquire
         : releases_still                 ? std::memory_order_release
                                          : std::memory_order_relaxed;
}

/// A mutant: the operation on one line of source with no stronger orders than this, of a compare-exchange both; or a fence,
/// gone. Where a line has several operations they are weakened together.
struct weakening {
  std::string file;
  unsigned line = 0;
  memory_order most{};

  bool applies(const site& at) const noexcept { return line == at.line && file == at.file; }
};

/// The orders of operations as the code under test has them, but for the operation that a mutant changes; a list of them
/// where it is asked for.
class orders {
 public:
  struct use {
    std::string file;
    unsigned line;
    memory_order order;
    bool reads;
    bool writes;
    auto operator<=>(const use&) const = default;
  };

  /// Takes an operation's order, or that of a fence, which neither reads nor writes; and whether it belongs in the list.
  ///
  /// Returns   the order that it has here; a fence that is relaxed is none.
  memory_order of(memory_order order, bool is_read, bool is_written, const site& at, bool is_listed) {
    if (weakened) {
      return weakened->applies(at) ? at_most(order, weakened->most, is_read, is_written) : order;
    }
    if (listed != nullptr && is_listed) {
      listed->insert({at.file, at.line, order, is_read, is_written});
    }
    return order;
  }

  std::optional<weakening> weakened{};
  std::set<use>* listed = nullptr;
};

}  // namespace martlet::model
