#include <martlet/base/spin_lock.hpp>

#include <sched.h>

namespace martlet::base {

void spin_lock::lock_slowly() noexcept {
  // The holder may have been taken off its core: after a while the rest of our time slice is its best chance.
  for (int round = 0;; ++round) {
    for (int look = 0; look < 128; ++look) {
      if (state_.load(relaxed) == 0 && state_.exchange(1, acquire) == 0) {  // [spin.own]
        return;
      }
      cpu_pause();
    }
    if (round > 2) {
      sched_yield();
    }
  }
}

}  // namespace martlet::base
