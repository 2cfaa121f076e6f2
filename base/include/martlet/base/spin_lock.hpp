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
/// Threads   any.
/// Cost      one byte; an uncontended lock is one exchange, an unlock one store.
class spin_lock {
 public:
  constexpr spin_lock() noexcept = default;
  spin_lock(const spin_lock&) = delete;
  spin_lock& operator=(const spin_lock&) = delete;

  void lock() noexcept {
    if (state_.exchange(1, acquire) != 0) [[unlikely]] {  // [spin.own] model
      lock_slowly();
    }
  }

  /// Returns   false when somebody holds it.
  bool try_lock() noexcept {
    return state_.load(relaxed) == 0 && state_.exchange(1, acquire) == 0;  // [spin.own]; the load only saves a write
  }

  void unlock() noexcept { state_.store(0, release); }  // [spin.own]

 private:
  void lock_slowly() noexcept;

  atomic<std::uint8_t> state_{0};
};

}  // namespace martlet::base
