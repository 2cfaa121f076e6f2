#pragma once

#include <atomic>

#include "jitter.hpp"

/// What base/atomic.hpp is in a program with jitter: before an operation its thread may pause.
namespace martlet::base {

using memory_order = std::memory_order;
inline constexpr memory_order relaxed = std::memory_order_relaxed;
inline constexpr memory_order acquire = std::memory_order_acquire;
inline constexpr memory_order release = std::memory_order_release;
inline constexpr memory_order acq_rel = std::memory_order_acq_rel;
inline constexpr memory_order seq_cst = std::memory_order_seq_cst;

/// As std::atomic, and of the same size. Its operators are those of std::atomic, without a pause.
template <class T>
class atomic : public std::atomic<T> {
  using plain = std::atomic<T>;

 public:
  using plain::plain;
  using plain::operator=;

  T load(memory_order order = seq_cst) const noexcept { return paused().load(order); }
  void store(T value, memory_order order = seq_cst) noexcept { paused().store(value, order); }
  T exchange(T value, memory_order order = seq_cst) noexcept { return paused().exchange(value, order); }
  T fetch_add(auto by, memory_order order = seq_cst) noexcept { return paused().fetch_add(by, order); }
  T fetch_sub(auto by, memory_order order = seq_cst) noexcept { return paused().fetch_sub(by, order); }
  T fetch_or(T by, memory_order order = seq_cst) noexcept { return paused().fetch_or(by, order); }
  T fetch_and(T by, memory_order order = seq_cst) noexcept { return paused().fetch_and(by, order); }

  bool compare_exchange_strong(T& expected, T desired, auto... orders) noexcept {
    return paused().compare_exchange_strong(expected, desired, orders...);
  }
  bool compare_exchange_weak(T& expected, T desired, auto... orders) noexcept {
    return paused().compare_exchange_weak(expected, desired, orders...);
  }

 private:
  const plain& paused() const noexcept {
    testing::jitter::point();
    return *this;
  }
  plain& paused() noexcept {
    testing::jitter::point();
    return *this;
  }
};

/// Tells the processor that this thread spins.
inline void cpu_pause(int times = 1) noexcept {
  for (; times > 0; --times) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield" ::: "memory");
#endif
  }
}

}  // namespace martlet::base
