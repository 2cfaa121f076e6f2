#pragma once

#include <mutex>
#include <utility>

#include <martlet/base/check.hpp>
#include <martlet/tasklet/errors.hpp>

namespace martlet::detail {

[[noreturn]] void refuse_empty_guard();

/// What an `acquire` gives: holds a lock and lets it go at its end.
///
/// A class of its own rather than std::unique_lock, for two reasons: it cannot be locked again with a call that would
/// stop a coroutine, and a wrong unlock in its destructor ends with a sentence. `release` is the way to the standard's guards: `std::unique_lock held(*guard.release(), std::adopt_lock)`.
///
/// Threads   one at a time; let go by the tasklet (or the thread) that got it, on whatever worker it runs by then.
template <class Mutex, bool IsShared = false>
class [[nodiscard("a guard that is dropped lets go at once")]] guard {
 public:
  /// Makes one that holds nothing.
  guard() noexcept = default;
  /// Takes over a lock that the caller holds.
  guard(Mutex& held, std::adopt_lock_t) noexcept : held_(&held) {}
  guard(guard&& other) noexcept : held_(std::exchange(other.held_, nullptr)) {}
  guard& operator=(guard&& other) noexcept {
    guard(std::move(other)).swap(*this);
    return *this;
  }
  ~guard() {
    if (held_ != nullptr) {
      try {
        unlock();
      } catch (const misuse& wrong) {
        base::fatal(wrong.what());
      }
    }
  }

  void swap(guard& other) noexcept { std::swap(held_, other.held_); }

  /// Lets go. Never suspends.
  ///
  /// Throws    misuse when it holds nothing, or was given to somebody who is not the owner.
  void unlock() {
    if (held_ == nullptr) [[unlikely]] {
      refuse_empty_guard();
    }
    if constexpr (IsShared) {
      held_->unlock_shared();
    } else {
      held_->unlock();
    }
    held_ = nullptr;
  }

  /// Leaves the lock held.
  ///
  /// Returns   what it held, null for nothing.
  Mutex* release() noexcept { return std::exchange(held_, nullptr); }

  bool owns_lock() const noexcept { return held_ != nullptr; }
  explicit operator bool() const noexcept { return owns_lock(); }

  /// Returns   what it holds, null for nothing.
  Mutex* mutex() const noexcept { return held_; }

 private:
  Mutex* held_ = nullptr;
};

}  // namespace martlet::detail
