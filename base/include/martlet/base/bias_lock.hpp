#pragma once

#include <cstdint>

#include <martlet/base/asymmetric_fence.hpp>
#include <martlet/base/atomic.hpp>

namespace martlet::base {

/// A lock that belongs to one thread, which takes it with plain stores; another may borrow it at a high price.
///
/// Use it for what one thread touches all the time and others only when something is wrong, such as the private
/// queues of a worker that has been inside one tasklet for long. Not where both sides are busy: a borrower pays a
/// `heavy_fence` (17 us) and makes the owner wait for it.
///
/// Invariants: I1 the owner is inside only while `busy_` is set; I2 a borrower is inside only while `claimed_` is set
/// and it has seen `busy_` clear after a heavy fence; so never both (the asymmetric Dekker argument).
///
/// Memory orders: [bias.look] each side stores its flag, fences, and looks at the other's; [bias.owner] the owner's
/// section, then `busy_` clear; [bias.borrower] the borrower's section, then `claimed_` clear. A next borrower's acquire is
/// there for ThreadSanitizer, which does not see that its heavy fence would do.
///
/// Threads   `enter`, `try_enter` and `leave`: the owner. `try_borrow` and `give_back`: any other.
/// Cost      owner: two stores and a load. Where the kernel has no `membarrier`, a full fence as well.
class bias_lock {
 public:
  bias_lock() noexcept : claimed_(detail::fences_are_asymmetric.load(relaxed) ? 0 : unfenced) {}

  void enter() noexcept {
    if (!announce()) [[unlikely]] {
      enter_slowly();
    }
  }

  /// As `enter`, for an owner that has another way.
  ///
  /// Returns   false, and is not inside, when entering would take more than the two stores and the load.
  bool try_enter() noexcept {
    if (!announce()) [[unlikely]] {
      leave();
      return false;
    }
    return true;
  }

  void leave() noexcept { busy_.store(0, release); }  // [bias.owner]

  /// Returns   false when the owner is inside, or another borrower: the owner is alive and will look after itself.
  bool try_borrow() noexcept {
    if (busy_.load(relaxed) != 0 ||                                // [bias.look]; relaxed only saves a fence
        (claimed_.fetch_or(borrowed, acquire) & borrowed) != 0) {  // [bias.look] [bias.borrower]
      return false;
    }
    heavy_fence();                   // [bias.look] model
    if (busy_.load(acquire) != 0) {  // [bias.look] [bias.owner] model
      give_back();
      return false;
    }
    return true;
  }

  void give_back() noexcept { claimed_.fetch_and(static_cast<std::uint8_t>(~borrowed), release); }  // [bias.borrower]

 private:
  static constexpr std::uint8_t borrowed = 1;
  static constexpr std::uint8_t unfenced = 2;  // made where stopping the compiler is not enough of a fence

  bool announce() noexcept {
    busy_.store(1, relaxed);             // [bias.look]
    compiler_fence();                    // [bias.look] a light fence, or the load does not give 0
    return claimed_.load(acquire) == 0;  // [bias.look] [bias.borrower] model
  }

  void enter_slowly() noexcept;

  atomic<std::uint8_t> busy_{0};
  atomic<std::uint8_t> claimed_;
};

}  // namespace martlet::base
