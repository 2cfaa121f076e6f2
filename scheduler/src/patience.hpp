#pragma once

#include <algorithm>
#include <cstdint>

#include <martlet/base/atomic.hpp>

namespace martlet::detail {

/// How long a worker searches before it sleeps: it learns from how long searches took that found something.
///
/// A search that finds something saves a wake-up; one in vain takes a core from others, on a small machine from the very
/// one that is waited for. So a search may take four times as long as those that found something lately, each in vain
/// halves that, and when nothing is left of it only one in sixteen is made, for the longest. One that has just been missed makes
/// the next one long.
///
/// Threads   the one that searches, which may hand the search on to another; `missed` any.
/// Source    the adaptive polling of idle virtual processors in Linux (virt/kvm, halt_poll_ns) halves and doubles.
class patience {
 public:
  explicit patience(std::uint64_t longest) noexcept : longest_(longest), typical_(longest), now_(longest) {}

  /// Returns   how many cycles any search may go on in vain.
  std::uint64_t longest() const noexcept { return longest_; }

  /// Returns   how many cycles the search that begins may go on in vain; 0 for one look only.
  std::uint64_t begin() noexcept {
    if (const std::uint64_t now = now_.load(base::relaxed); now != 0) {
      return now;
    }
    const std::uint32_t skipped = skipped_.load(base::relaxed) + 1;
    skipped_.store(skipped % tries_again, base::relaxed);
    return skipped == tries_again ? longest_ : 0;
  }

  /// Says that a search found something after so many cycles.
  void found(std::uint64_t after) noexcept {
    const std::uint64_t typical = (7 * typical_.load(base::relaxed) + after) / 8;
    typical_.store(typical, base::relaxed);
    now_.store(std::min(4 * typical, longest_), base::relaxed);
  }

  /// Says that what only the searcher could have taken came so many cycles after a search began that had given up.
  void missed(std::uint64_t after) noexcept {
    if (after < 2 * longest_) {  // the wake-up that the search would have saved is in it
      now_.store(longest_, base::relaxed);
    }
  }

  /// Says that it went on for as long as `begin` allowed.
  void gave_up() noexcept {
    const std::uint64_t half = now_.load(base::relaxed) / 2;
    now_.store(half >= longest_ / shortest ? half : 0, base::relaxed);
  }

 private:
  static constexpr std::uint32_t tries_again = 16;
  static constexpr std::uint64_t shortest = 32;  // of the longest: below that it saves nothing

  const std::uint64_t longest_;
  // Atomic because the search goes from thread to thread; what is written beside each other is a guess either way.
  base::atomic<std::uint64_t> typical_;
  base::atomic<std::uint64_t> now_;
  base::atomic<std::uint32_t> skipped_{0};
};

}  // namespace martlet::detail
