#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <martlet/base/atomic.hpp>

namespace martlet::detail {

/// The part of a worker's queue that others may take from: a bounded ring, filled by its owner, emptied by anybody.
///
/// Use it for work that is offered; what the owner keeps to itself costs no atomics and lies elsewhere.
///
/// Invariants: I1 only the owner writes `tail_` and the slots [tail, head + capacity); I2 whoever moves `head_` from h to
/// h + n by compare-exchange owns the items h .. h+n-1, which it has read before; I3 a slot is written again only after
/// `head_` has passed it, so a taker that read a slot too late fails its exchange.
///
/// Memory orders: [ring.offer] the items, then `tail_`, which the taker acquires; the store is seq_cst because the
/// owner then looks for sleepers (README.md, the sleep protocol). [ring.take] the reads of the slots, then `head_`,
/// which the owner acquires before it writes them again. That acquire is argued: without it a taker could read a slot's
/// next item only in a circle of loads and stores that depend on each other, which no machine makes and the model does not
/// know. [ring.pair] who moves `head_` has seen a tail beyond it; whoever acquires that head before it loads `tail_`
/// never finds the tail behind.
///
/// Source    the run queue of Go's scheduler (runtime/proc.go, runqput and runqgrab).
template <class T, std::uint32_t Capacity = 256>
class shared_ring {
  static_assert((Capacity & (Capacity - 1)) == 0);

 public:
  static constexpr std::uint32_t capacity = Capacity;

  // ---- for the owner

  /// Returns   how many more may be offered.
  std::uint32_t room() const noexcept {
    return Capacity - (tail_.load(base::relaxed) - head_.load(base::acquire));  // [ring.take] argued
  }

  /// Offers `count` items, at most `room()`, which `next()` gives one by one.
  template <class Next>
  void offer(std::uint32_t count, Next next) {
    const std::uint32_t tail = tail_.load(base::relaxed);  // ours (I1)
    for (std::uint32_t i = 0; i < count; ++i) {
      slots_[(tail + i) % Capacity].store(next(), base::relaxed);  // covered by tail_
    }
    tail_.store(tail + count, base::seq_cst);  // [ring.offer] [sleep.look]
  }

  // ---- for anybody

  bool empty() const noexcept { return head_.load(base::relaxed) == tail_.load(base::relaxed); }  // a hint

  /// As `empty`, for a worker that has published that it sleeps.
  bool empty_for_sleeper() const noexcept {
    return head_.load(base::seq_cst) == tail_.load(base::seq_cst);  // [sleep.look]
  }

  /// Takes the oldest item.
  ///
  /// Returns   null when there is none.
  T take() noexcept {
    std::uint32_t head = head_.load(base::acquire);  // [ring.pair] model
    for (;;) {
      if (head == tail_.load(base::acquire)) {  // [ring.offer] model
        return T{};
      }
      T item = slots_[head % Capacity].load(base::relaxed);  // valid if the exchange succeeds (I2, I3)
      if (head_.compare_exchange_weak(head, head + 1, base::release, base::acquire)) {  // [ring.take] [ring.pair] model
        return item;
      }
    }
  }

  /// Takes the older half, at most `most` items, in one claim.
  ///
  /// Returns   how many were written to `items`; 0 also when another taker was first.
  std::uint32_t take_half(T* items, std::uint32_t most) noexcept {
    std::uint32_t head = head_.load(base::relaxed);
    const std::uint32_t there = tail_.load(base::acquire) - head;  // [ring.offer] model
    if (there == 0 || there > Capacity) {                          // the two loads are not one: a torn pair is refused
      return 0;
    }
    std::uint32_t count = there - there / 2;
    count = count < most ? count : most;
    for (std::uint32_t i = 0; i < count; ++i) {
      items[i] = slots_[(head + i) % Capacity].load(base::relaxed);  // I2, I3
    }
    const bool is_ours =
        head_.compare_exchange_strong(head, head + count, base::release, base::relaxed);  // [ring.take] [ring.pair]
    return is_ours ? count : 0;
  }

 private:
  alignas(128) base::atomic<std::uint32_t> head_{0};
  alignas(128) base::atomic<std::uint32_t> tail_{0};
  std::array<base::atomic<T>, Capacity> slots_{};
};

}  // namespace martlet::detail
