#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include <martlet/base/clock.hpp>
#include <martlet/scheduler/timer.hpp>
#include <martlet/tasklet/core_slot.hpp>
#include <martlet/tasklet/wait.hpp>

#include "timer_slot.hpp"

namespace martlet::detail {

/// A worker's timers: a hierarchy of wheels whose nodes lie inside the waits themselves.
///
/// Six wheels; a slot of wheel k spans 2^(16 + 8k) ns, so the finest is 65.5 us and the whole covers every instant. A timer
/// lies on the wheel that its distance needs, at most 256 slots ahead, and moves inward as its time comes near; each wheel has
/// a bitmap of the slots in use, so that the next one is found without walking.
///
/// When a slot's time has come all that is left in it moves, at once: of a million timers a second that would be some ms. So
/// some of those in the slot that is next move ahead of time with each tick, which is why a wheel has 512 slots: those of an
/// outer slot are 256, and they need a place before the 256 of the one before are over.
///
/// It is a wait core: a wait that is for the time alone is parked on it and claimed under its lock. So it lies in a slot
/// that outlives its worker (core_slot.hpp).
///
/// Threads   any, under `lock_`.
/// Cost      arm and disarm O(1); a timer moves at most once per wheel, some 100 ns when there are very many.
/// Source    Varghese, Lauck: Hashed and hierarchical timing wheels. SOSP 1987, doi:10.1145/41457.37504.
class timer_wheel : public wait_core {
 public:
  /// Throws std::bad_alloc.
  timer_wheel();

  /// Enters a node whose `due` is set. Under the lock.
  void arm(timer_node& node) noexcept;

  /// Takes a node out, if it is in. Under the lock.
  void disarm(timer_node& node) noexcept;

  /// Completes every timer that is due at `time` and makes its tasklet ready. Takes the lock itself.
  ///
  /// Threads   any; whoever comes while another one is in here leaves it to that one.
  /// Returns   how many fired.
  std::size_t fire(base::instant time, host* here) noexcept;

  /// Returns   no later than the next timer is due; `never` when there is none. A hint without the lock.
  base::instant next() const noexcept { return next_.load(base::relaxed); }

 private:
  static constexpr unsigned tick_bits = 16;
  static constexpr unsigned slot_bits = 8;
  static constexpr unsigned slots = 2U << slot_bits;
  static constexpr unsigned words = slots / 64;                                         // of a bitmap
  static constexpr std::uint64_t ticks_in_time = std::uint64_t{1} << (63 - tick_bits);  // an instant has a sign
  static constexpr unsigned levels = 6;  // 2^(16 + 48) ns is beyond every instant

  friend class core_slot<timer_wheel>;

  /// Memory for a slot, which is made when it comes into use: most never do.
  union place_of_slot {
    place_of_slot() noexcept {}
    timer_slot made;
  };
  using wheels = std::array<std::array<place_of_slot, slots>, levels>;

  timer_slot& at(unsigned level, unsigned slot) noexcept { return (*wheels_)[level][slot].made; }
  bool is_used(unsigned level, unsigned slot) const noexcept { return (used_[level][slot / 64] >> slot % 64 & 1) != 0; }
  void mark_used(unsigned level, unsigned slot) noexcept { used_[level][slot / 64] |= std::uint64_t{1} << slot % 64; }
  void mark_unused(unsigned level, unsigned slot) noexcept {
    used_[level][slot / 64] &= ~(std::uint64_t{1} << slot % 64);
  }
  void insert(timer_node& node, std::uint64_t tick, unsigned outermost) noexcept;
  std::uint64_t move_inward(unsigned level, unsigned slot, std::uint64_t most) noexcept;
  void bring_near(std::uint64_t ticks) noexcept;
  static unsigned slot_of(unsigned level, std::uint64_t tick) noexcept;
  unsigned distance_to_next(unsigned level) const noexcept;
  std::uint64_t tick_of(const timer_node& node) const noexcept;
  base::instant earliest() const noexcept;

  word_of_slot word;
  std::uint64_t now_ = 0;  // ticks that have been dealt with
  std::size_t count_ = 0;
  bool is_firing_ = false;
  base::atomic<base::instant> next_{base::never};
  std::array<std::array<std::uint64_t, words>, levels> used_{};
  std::unique_ptr<wheels> wheels_;  // too large for a core's slot
};

}  // namespace martlet::detail
