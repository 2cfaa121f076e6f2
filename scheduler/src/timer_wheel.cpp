#include "timer_wheel.hpp"

#include <algorithm>
#include <bit>

namespace martlet::detail {

timer_wheel::timer_wheel() noexcept
    : wait_core(keep_lock{}, kind::timer), now_(static_cast<std::uint64_t>(base::now()) >> tick_bits) {}

// A timer must not fire early, so it belongs to the tick after the one that its time falls into.
std::uint64_t timer_wheel::tick_of(const timer_node& node) const noexcept {
  return std::max((static_cast<std::uint64_t>(node.due) >> tick_bits) + 1, now_);
}

// The highest digit in which the tick differs from the present names the wheel: all digits above agree, so the slot
// comes round exactly when that digit does.
void timer_wheel::insert(timer_node& node, std::uint64_t tick) noexcept {
  const std::uint64_t differs = tick ^ now_;
  const unsigned level = differs == 0 ? 0 : static_cast<unsigned>(63 - std::countl_zero(differs)) / slot_bits;
  const auto slot = static_cast<unsigned>((tick >> (level * slot_bits)) & (slots - 1));
  node.level = static_cast<std::uint16_t>(level);
  node.slot = static_cast<std::uint16_t>(slot);
  lists_[level][slot].push_back(node);
  used_[level] |= std::uint64_t{1} << slot;
}

void timer_wheel::arm(timer_node& node) noexcept {
  node.wheel = this;
  // Not while somebody fires: it is still emptying the slot of an earlier tick, in which a later time would be early.
  if (count_++ == 0 && !is_firing_) {
    now_ = std::max(now_, static_cast<std::uint64_t>(base::now()) >> tick_bits);  // nothing lies between
  }
  // A time that has passed meanwhile comes with the next tick: the present one's slot has been emptied.
  const std::uint64_t tick = std::max(tick_of(node), now_ + 1);
  insert(node, tick);
  if (tick >= ticks_in_time) {
    return;  // it would fire after the last instant
  }
  if (const auto fires = static_cast<base::instant>(tick << tick_bits); fires < next_.load(base::relaxed)) {
    next_.store(fires, base::relaxed);
  }
}

void timer_wheel::disarm(timer_node& node) noexcept {
  if (!node.is_linked()) {
    return;
  }
  wait_list::unlink(node);
  --count_;
  if (lists_[node.level][node.slot].empty()) {
    used_[node.level] &= ~(std::uint64_t{1} << node.slot);
  }
  if (count_ == 0) {
    next_.store(base::never, base::relaxed);
  }
}

base::instant timer_wheel::earliest() const noexcept {
  for (unsigned level = 0; level < levels; ++level) {
    if (used_[level] == 0) {
      continue;
    }
    // All slots in use lie ahead of the present digit, and the inner wheels come first.
    const auto digit = static_cast<unsigned>((now_ >> (level * slot_bits)) & (slots - 1));
    const std::uint64_t ahead = used_[level] & ~((std::uint64_t{2} << digit) - 1);
    const auto slot = static_cast<std::uint64_t>(std::countr_zero(ahead != 0 ? ahead : used_[level]));
    const unsigned shift = level * slot_bits;
    const std::uint64_t above = shift + slot_bits >= 64 ? 0 : (now_ >> (shift + slot_bits)) << (shift + slot_bits);
    const std::uint64_t tick = above | slot << shift;
    return tick >= ticks_in_time ? base::never : static_cast<base::instant>(tick << tick_bits);
  }
  return base::never;
}

std::size_t timer_wheel::fire(base::instant time, host* here) noexcept {
  const std::uint64_t until = static_cast<std::uint64_t>(time) >> tick_bits;
  std::size_t fired = 0;
  lock_.lock();
  if (is_firing_) {  // between two timers the lock is free, but the slots are not
    lock_.unlock();
    return 0;
  }
  is_firing_ = true;
  while (count_ != 0) {
    const base::instant soonest = earliest();
    const std::uint64_t tick = soonest == base::never ? UINT64_MAX : static_cast<std::uint64_t>(soonest) >> tick_bits;
    if (tick > until) {
      break;
    }
    // The outer slots whose digit comes round at this tick move inward, from the outside in; what is due at this very
    // tick ends in its slot of the finest wheel.
    const auto outermost = static_cast<unsigned>(63 - std::countl_zero(tick ^ (tick - 1))) / slot_bits;
    now_ = tick;
    for (unsigned level = std::min(outermost, levels - 1); level > 0; --level) {
      const auto slot = static_cast<unsigned>((tick >> (level * slot_bits)) & (slots - 1));
      used_[level] &= ~(std::uint64_t{1} << slot);
      while (wait_node* node = lists_[level][slot].front()) {
        wait_list::unlink(*node);
        auto& timer = static_cast<timer_node&>(*node);
        insert(timer, tick_of(timer));
      }
    }
    const auto slot = static_cast<unsigned>(tick & (slots - 1));
    used_[0] &= ~(std::uint64_t{1} << slot);
    while (wait_node* node = lists_[0][slot].front()) {
      wait_list::unlink(*node);
      --count_;
      if (!claim(node->owner, *this)) {
        continue;
      }
      tasklet* who = complete(*node);
      lock_.unlock();
      ready(who, here, turn::last);
      ++fired;
      lock_.lock();
    }
  }
  now_ = std::max(now_, until);
  next_.store(count_ == 0 ? base::never : earliest(), base::relaxed);
  is_firing_ = false;
  lock_.unlock();
  return fired;
}

}  // namespace martlet::detail
