#pragma once

#include <cstdint>

#include <martlet/base/atomic.hpp>
#include <martlet/base/clock.hpp>
#include <martlet/base/spin_lock.hpp>

namespace martlet::detail {

/// Gives memory of frames and stacks back to the system that was free for a while.
///
/// What was free all the time during one period is more than is needed, and its pages go back at the period's end. So a
/// load that comes and goes within a period keeps its memory, and after a burst it has gone at the end of the next
/// period but one. Nothing is kept for good: a page that comes back costs 1.5 us, less than the wake-up before it.
///
/// Workers that have nothing to do call it; no thread of its own exists. One of those that sleep is the keeper, whose
/// sleep ends when the period does. When nothing is left to give back there is no end either, and all sleep on.
///
/// Threads   any.
class memory_decay {
 public:
  static constexpr base::instant period = 2'000'000'000;

  constexpr memory_decay() noexcept = default;

  /// Returns   when the caller, who is about to sleep, should call `step`; `never` when somebody else will, or nobody
  ///           needs to. Call `rested` after the sleep.
  base::instant keep() noexcept;

  /// Ends what `keep` has begun.
  ///
  /// Takes     what it returned.
  void rested(base::instant kept) noexcept {
    if (kept != base::never) {
      has_keeper_.store(false, base::relaxed);  // a hint: two keepers, or none for one sleep, do no harm
    }
  }

  /// Does a part of what is due, if something is.
  ///
  /// Returns   whether it did anything.
  /// Cost      a load when nothing is; else up to 300 us. Ask it when there is nothing better to do.
  bool step() noexcept;

  /// Returns   how many periods have ended with something to give back.
  std::uint32_t rounds() const noexcept { return rounds_.load(base::relaxed); }

  /// Keeps everybody from trimming over a fork.
  void hold() noexcept { stepping_.lock(); }
  void let_go() noexcept { stepping_.unlock(); }

  /// Says, in a child of fork, that the keeper stayed in the parent.
  void forget_keeper() noexcept { has_keeper_.store(false, base::relaxed); }

 private:
  base::atomic<base::instant> next_{base::never};  // when something is to be done
  base::atomic<bool> has_keeper_{false};
  base::atomic<std::uint32_t> rounds_{0};
  base::spin_lock stepping_;
  bool is_trimming_ = false;  // under the lock
};

/// Returns   the process's.
memory_decay& decay() noexcept;

}  // namespace martlet::detail
