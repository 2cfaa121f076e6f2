#pragma once

#include <martlet/tasklet/host.hpp>
#include <martlet/tasklet/wait.hpp>

namespace martlet::detail {

/// Takes the oldest wait of `list` out and wins it.
///
/// Returns   false when a cancel or another case of a select was first; the node is then its owner's alone.
inline bool claim_front(wait_list& list, wait_core& core) noexcept {
  wait_node& node = *list.front();
  wait_list::unlink(node);
  return claim(node.owner, core);
}

/// Waits that were claimed under a core's lock and whose tasklets are made ready after its unlock, in that order.
///
/// It is a chain through the claimed nodes, so that any number of them needs no memory.
class woken {
 public:
  woken() noexcept = default;

  void add(wait_node& claimed) noexcept {
    claimed.prev = nullptr;
    (first_ == nullptr ? first_ : last_->prev) = &claimed;
    last_ = &claimed;
  }

  /// Wins every wait of `list`.
  void add_all(wait_list& list, wait_core& core) noexcept {
    while (wait_node* node = list.front()) {
      if (claim_front(list, core)) {
        add(*node);
      }
    }
  }

  wait_node* first() const noexcept { return first_; }

  /// Makes all of them ready: one alone runs next, several go behind the others.
  void ready_all() const noexcept { ready_from(first_); }
  static void ready_from(wait_node* first) noexcept;

 private:
  wait_node* first_ = nullptr;
  wait_node* last_ = nullptr;
};

}  // namespace martlet::detail
