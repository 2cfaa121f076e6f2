#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <martlet/base/clock.hpp>
#include <martlet/scheduler/timer.hpp>
#include <martlet/tasklet/core_slot.hpp>
#include <martlet/tasklet/wait.hpp>

namespace martlet::detail {

/// A worker's timers: a hierarchy of wheels whose nodes lie inside the waits themselves.
///
/// Eight wheels of 64 slots; a slot of wheel k spans 2^(16 + 6k) ns, so the finest is 65.5 us and the whole covers every
/// instant. A timer lies on the wheel that its distance needs and moves inward as its time comes near; each wheel has
/// a bitmap of the slots in use, so that the next one is found without walking.
///
/// It is a wait core: a wait that is for the time alone is parked on it and claimed under its lock. So it lies in a slot
/// that outlives its worker (core_slot.hpp).
///
/// Threads   any, under `lock_`.
/// Cost      arm and disarm O(1); a timer moves at most once per wheel.
/// Source    Varghese, Lauck: Hashed and hierarchical timing wheels. SOSP 1987, doi:10.1145/41457.37504.
class timer_wheel : public wait_core {
 public:
  timer_wheel() noexcept;

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
  static constexpr unsigned slot_bits = 6;
  static constexpr unsigned slots = 1U << slot_bits;
  static constexpr std::uint64_t ticks_in_time = std::uint64_t{1} << (63 - tick_bits);  // an instant has a sign
  static constexpr unsigned levels = 8;  // 2^(16 + 48) ns is beyond every instant

  friend class core_slot<timer_wheel>;

  void insert(timer_node& node, std::uint64_t tick) noexcept;
  std::uint64_t tick_of(const timer_node& node) const noexcept;
  base::instant earliest() const noexcept;

  word_of_slot word;
  std::uint64_t now_ = 0;  // ticks that have been dealt with
  std::size_t count_ = 0;
  bool is_firing_ = false;
  base::atomic<base::instant> next_{base::never};
  std::array<std::uint64_t, levels> used_{};
  std::array<std::array<wait_list, slots>, levels> lists_;
};

}  // namespace martlet::detail
