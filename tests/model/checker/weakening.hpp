#pragma once

#include <atomic>
#include <optional>
#include <set>
#include <string>

#include "operation.hpp"

namespace martlet::model {

/// A mutant: one memory order on one line of source, made weaker; or a fence, gone. Where a line has the same order
/// several times they are weakened together.
struct weakening {
  std::string file;
  unsigned line = 0;
  memory_order from{};
  memory_order to{};

  bool applies(const site& at, memory_order order) const noexcept {
    return line == at.line && from == order && file == at.file;
  }
};

/// The orders of operations as the code under test has them, but for the one that a mutant changes; a list of them
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
      return weakened->applies(at, order) ? weakened->to : order;
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
