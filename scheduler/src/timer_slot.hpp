#pragma once

#include <array>
#include <cstdint>

#include <martlet/tasklet/wait.hpp>

namespace martlet::detail {

/// The timers of one slot of a wheel, first in, first out as long as none is taken from the middle.
///
/// They lie wherever their tasklets do, and of a million each is a cache miss away; in a single list a processor knows where the next
/// one is no sooner than it has this one. So they take turns over four lists, and whoever takes the first of one has what
/// comes behind it fetched, until the other three have had their turns.
class timer_slot {
 public:
  bool empty() const noexcept {
    for (const wait_list& lane : lanes_) {
      if (!lane.empty()) {
        return false;
      }
    }
    return true;
  }

  void push(wait_node& node) noexcept { lanes_[in_++ % lanes].push_back(node); }

  /// Takes a node out; null when there is none.
  wait_node* pop() noexcept {
    for (unsigned tries = 0; tries < lanes; ++tries) {
      wait_list& lane = lanes_[out_++ % lanes];
      if (wait_node* node = lane.front()) {
        wait_list::unlink(*node);
        fetch(lane.front());
        return node;
      }
    }
    return nullptr;
  }

 private:
  // Of a million within a second 99 of 100 are 2.7 ms late at most with one, 0.35 ms with four, and no less with eight.
  static constexpr unsigned lanes = 4;

  // Has the tasklet of a lane's new first node fetched, and the node behind it.
  static void fetch(const wait_node* first) noexcept {
    constexpr int to_write = 1;
    if (first != nullptr) {
      __builtin_prefetch(first->next, to_write);
      __builtin_prefetch(first->owner, to_write);
    }
  }

  std::array<wait_list, lanes> lanes_;
  std::uint8_t in_ = 0;
  std::uint8_t out_ = 0;
};

}  // namespace martlet::detail
