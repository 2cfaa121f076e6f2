#pragma once

#include <cstdint>

#include <martlet/base/atomic.hpp>

namespace martlet::base {

/// Guards a few dozen instructions that never wait.
///
/// Use it for the short critical sections inside martlet; not for anything that calls user code, a system call or
/// another wait: a thread that is taken off its core inside keeps all others out.
///
/// Memory orders: [spin.own] the store that unlocks is seen by the exchange that locks next.
///
/// Threads   any. Who finds it held looks again after pauses that grow.
/// Cost      one byte; an uncontended lock is one exchange, an unlock one store.
/// Source    T. E. Anderson, The performance of spin lock alternatives for shared-memory multiprocessors, 1990
///           (10.1109/71.80120): backing off.
class spin_lock {
 public:
  constexpr spin_lock() noexcept = default;
  spin_lock(const spin_lock&) = delete;
  spin_lock& operator=(const spin_lock&) = delete;

  void lock() noexcept {
    if (const std::uint8_t seen = state_.exchange(held, acquire); seen != 0) [[unlikely]] {  // [spin.own] model
      lock_slowly(seen);
    }
  }

  /// Returns   false when somebody holds it.
  bool try_lock() noexcept {
    return state_.load(relaxed) == 0 && state_.exchange(held, acquire) == 0;  // [spin.own]; the load only saves a write
  }

  void unlock() noexcept { state_.store(0, release); }  // [spin.own]

  /// Says, in a child of fork, that whoever holds it exists in the parent only: what it guards may be half changed, so
  /// that locking it stops the program with a sentence.
  void abandon_if_held() noexcept {
    if (state_.load(relaxed) == held) {
      state_.store(abandoned, relaxed);  // nobody else runs
    }
  }

  /// Frees it, in a child of fork, where whoever holds it cannot have changed anything.
  void free_if_held() noexcept {
    if (state_.load(relaxed) != 0) {
      state_.store(0, relaxed);  // nobody else runs
    }
  }

 private:
  static constexpr std::uint8_t held = 1;
  static constexpr std::uint8_t abandoned = 2;

  void lock_slowly(std::uint8_t seen) noexcept;

  atomic<std::uint8_t> state_{0};
};

}  // namespace martlet::base
