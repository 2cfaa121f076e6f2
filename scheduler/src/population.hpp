#pragma once

#include <cstdint>

#include <martlet/base/atomic.hpp>

namespace martlet::detail {

/// Counts the tasklets of a scheduler that may have only so many. One without a limit counts nothing.
///
/// Threads   any.
class population {
 public:
  /// Takes     how many there may be; 0: any number.
  explicit population(std::uint64_t most) noexcept : most_(most) {}

  /// Returns   false when there are as many as there may be.
  bool enter() noexcept {
    if (most_ == 0) [[likely]] {
      return true;
    }
    if (count_.fetch_add(1, base::relaxed) < most_) {  // a count; nothing hangs on its order
      return true;
    }
    count_.fetch_sub(1, base::relaxed);
    return false;
  }

  void leave() noexcept {
    if (most_ != 0) [[unlikely]] {
      count_.fetch_sub(1, base::relaxed);
    }
  }

  std::uint64_t most() const noexcept { return most_; }

 private:
  const std::uint64_t most_;
  base::atomic<std::uint64_t> count_{0};
};

}  // namespace martlet::detail
