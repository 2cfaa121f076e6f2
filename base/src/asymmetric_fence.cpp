#include <martlet/base/asymmetric_fence.hpp>

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace martlet::base {

namespace detail {

constinit atomic<bool> fences_are_asymmetric{false};

}  // namespace detail

void full_fence() noexcept {
  // A locked read-modify-write rather than a free-standing fence, which g++ 12 refuses under ThreadSanitizer.
#if defined(__x86_64__)
  atomic<int> anything{0};
  anything.exchange(1, seq_cst);
  asm volatile("" ::: "memory");
#else
  std::atomic_thread_fence(seq_cst);
#endif
}

void prepare_asymmetric_fences() noexcept {
  static const bool works = [] {
    const long offered = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
    return offered > 0 && (offered & MEMBARRIER_CMD_PRIVATE_EXPEDITED) != 0 &&
           syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
  }();
  if (works && !detail::fences_are_asymmetric.load(relaxed)) {
    detail::fences_are_asymmetric.store(true, relaxed);
  }
}

void heavy_fence() noexcept {
  if (!detail::fences_are_asymmetric.load(relaxed) ||
      syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) != 0) {
    full_fence();
  }
}

}  // namespace martlet::base
