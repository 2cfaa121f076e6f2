#pragma once

#if defined(MARTLET_MODEL)
#include <checker/atomic.hpp>
#elif defined(MARTLET_JITTER)
#include <jitter/atomic.hpp>
#else

#include <atomic>

/// The one door to atomics: no other file of martlet includes <atomic>.
///
/// The checker that explores interleavings (tests/model) replaces all of it here and nowhere else, as do the tests that
/// pause before some of the operations (tests/linear); and the short names of the memory orders keep a label beside each
/// order readable (`x.store(1, base::release);  // [deque.publish]`).
namespace martlet::base {

template <class T>
using atomic = std::atomic<T>;

using memory_order = std::memory_order;
inline constexpr memory_order relaxed = std::memory_order_relaxed;
inline constexpr memory_order acquire = std::memory_order_acquire;
inline constexpr memory_order release = std::memory_order_release;
inline constexpr memory_order acq_rel = std::memory_order_acq_rel;
inline constexpr memory_order seq_cst = std::memory_order_seq_cst;

/// Tells the processor that this thread spins. Cost 64 cycles each time (Zen 3), on Intel's since Skylake some 140.
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

#endif
