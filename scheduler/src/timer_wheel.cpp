#include "timer_wheel.hpp"

#include <algorithm>
#include <bit>

namespace martlet::detail {

timer_wheel::timer_wheel()
    : wait_core(keep_lock{}, kind::timer),
      now_(static_cast<std::uint64_t>(base::now()) >> tick_bits),
      wheels_(std::make_unique_for_overwrite<wheels>()) {}

// A timer must not fire early, so it belongs to the tick after the one that its time falls into.
std::uint64_t timer_wheel::tick_of(const timer_node& node) const noexcept {
  return std::max((static_cast<std::uint64_t>(node.due) >> tick_bits) + 1, now_);
}

unsigned timer_wheel::slot_of(unsigned level, std::uint64_t tick) noexcept {
  return static_cast<unsigned>(tick >> (level * slot_bits)) % slots;
}

// The distance names the wheel: there it is 1 to 256 slots, or 0 on the finest. Further in than `outermost` it may be as many as
// a wheel has.
void timer_wheel::insert(timer_node& node, std::uint64_t tick, unsigned outermost) noexcept {
  const std::uint64_t distance = tick - now_;
  const unsigned needs = distance == 0 ? 0 : static_cast<unsigned>(63 - std::countl_zero(distance)) / slot_bits;
  const unsigned level = std::min(needs, outermost);
  const unsigned slot = slot_of(level, tick);
  node.level = static_cast<std::uint16_t>(level);
  node.slot = static_cast<std::uint16_t>(slot);
  if (!is_used(level, slot)) {
    std::construct_at(&at(level, slot));
    mark_used(level, slot);
  }
  at(level, slot).push(node);
}

// Moves so many timers of a slot to inner wheels, which have room for those of the present slot and of the next.
//
// Returns   how many more it would have moved.
std::uint64_t timer_wheel::move_inward(unsigned level, unsigned slot, std::uint64_t most) noexcept {
  if (!is_used(level, slot)) {
    return most;
  }
  for (wait_node* node; most != 0 && (node = at(level, slot).pop()) != nullptr; --most) {
    auto& timer = static_cast<timer_node&>(*node);
    insert(timer, tick_of(timer), level - 1);
  }
  if (at(level, slot).empty()) {
    mark_unused(level, slot);
  }
  return most;
}

// Moves some of what comes round next, for each of the ticks that have passed.
void timer_wheel::bring_near(std::uint64_t ticks) noexcept {
  constexpr std::uint64_t for_each = 256;  // 25 us of 65; four million a second
  constexpr std::uint64_t most = 4096;     // for this long nobody else can arm one
  std::uint64_t left = std::min(ticks, most / for_each) * for_each;
  for (unsigned level = 1; level < levels; ++level) {
    left = move_inward(level, (slot_of(level, now_) + 1) % slots, left);
  }
}

void timer_wheel::arm(timer_node& node) noexcept {
  node.wheel = this;
  // Not while somebody fires: it is still emptying the slot of an earlier tick, in which a later time would be early.
  if (count_++ == 0 && !is_firing_) {
    now_ = std::max(now_, static_cast<std::uint64_t>(base::now()) >> tick_bits);  // nothing lies between
  }
  // A time that has passed meanwhile comes with the next tick: the present one's slot has been emptied.
  const std::uint64_t tick = std::max(tick_of(node), now_ + 1);
  insert(node, tick, levels - 1);
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
  if (at(node.level, node.slot).empty()) {
    mark_unused(node.level, node.slot);
  }
  if (count_ == 0) {
    next_.store(base::never, base::relaxed);
  }
}

// Returns   how many slots ahead of the present one the next in use is; 0 when none is.
unsigned timer_wheel::distance_to_next(unsigned level) const noexcept {
  const unsigned from = slot_of(level, now_) + 1;
  const std::uint64_t below = (std::uint64_t{1} << from % 64) - 1;
  for (unsigned step = 0; step <= words; ++step) {  // the first word twice: behind the slot, then before it
    const unsigned part = (from / 64 + step) % words;
    const std::uint64_t used = used_[level][part] & (step == 0 ? ~below : step == words ? below : ~std::uint64_t{0});
    if (used != 0) {
      return (part * 64 + static_cast<unsigned>(std::countr_zero(used)) - from) % slots + 1;
    }
  }
  return 0;
}

base::instant timer_wheel::earliest() const noexcept {
  std::uint64_t soonest = ticks_in_time;
  for (unsigned level = 0; level < levels; ++level) {
    if (const unsigned distance = distance_to_next(level); distance != 0) {
      const unsigned shift = level * slot_bits;
      soonest = std::min(soonest, ((now_ >> shift) + distance) << shift);
    }
  }
  return soonest == ticks_in_time ? base::never : static_cast<base::instant>(soonest << tick_bits);
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
  const std::uint64_t before = now_;
  while (count_ != 0) {
    const base::instant soonest = earliest();
    const std::uint64_t tick = soonest == base::never ? UINT64_MAX : static_cast<std::uint64_t>(soonest) >> tick_bits;
    if (tick > until) {
      break;
    }
    // The outer slots that begin at this tick move inward, from the outside in; what is due at this very tick ends in its
    // slot of the finest wheel.
    const auto outermost = static_cast<unsigned>(63 - std::countl_zero(tick ^ (tick - 1))) / slot_bits;
    now_ = tick;
    for (unsigned level = std::min(outermost, levels - 1); level > 0; --level) {
      move_inward(level, slot_of(level, tick), UINT64_MAX);
    }
    const unsigned slot = slot_of(0, tick);
    if (!is_used(0, slot)) {
      continue;
    }
    mark_unused(0, slot);
    while (wait_node* node = at(0, slot).pop()) {
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
  bring_near(now_ - before);
  next_.store(count_ == 0 ? base::never : earliest(), base::relaxed);
  is_firing_ = false;
  lock_.unlock();
  return fired;
}

}  // namespace martlet::detail
