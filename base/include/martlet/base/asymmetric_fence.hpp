#pragma once

#include <martlet/base/atomic.hpp>

/// A full fence whose cost falls on one side only.
///
/// Two threads that each store and then look at what the other stored need a full fence on both sides. Where one side
/// is hot and the other is rare, the hot side calls `light_fence()`, which stops the compiler and costs nothing, and
/// the rare side `heavy_fence()`, which makes every running thread of the process pass a full fence. At least one of
/// the two then sees the other's store.
///
/// Where the kernel refuses (a sandbox without `membarrier`), both are full fences.
///
/// Source    Dice, Huang, Yang: Asymmetric Dekker synchronization. Sun Microsystems 2001; membarrier(2).
#ifdef MARTLET_MODEL
#include <checker/asymmetric_fence.hpp>
#else

namespace martlet::base {

namespace detail {
// Set once, before the first scheduler starts a thread. Threads that use a channel meanwhile may see it late: until then
// they pass full fences, which are enough.
extern atomic<bool> fences_are_asymmetric;
}  // namespace detail

/// For both sides where both are rare. Cost: about 2 ns (Zen 4), and what the stores before it still need.
void full_fence() noexcept;

/// Registers the process with the kernel; call it before the first fence. Cheap when done already.
void prepare_asymmetric_fences() noexcept;

/// The hot side, for code that knows that membarrier works; where it does not, nothing but a barrier to the compiler.
inline void compiler_fence() noexcept { asm volatile("" ::: "memory"); }

/// The hot side. Cost: none where membarrier works, else one full fence (6 ns).
inline void light_fence() noexcept {
  compiler_fence();
  if (!detail::fences_are_asymmetric.load(relaxed)) [[unlikely]] {
    full_fence();
  }
}

/// The rare side. Cost: about 17 us where membarrier works, a system call that interrupts every running thread of the
/// process.
void heavy_fence() noexcept;

}  // namespace martlet::base

#endif
