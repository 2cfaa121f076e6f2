#include <martlet/base/spin_lock.hpp>

#include <sched.h>

#include <martlet/base/check.hpp>

namespace martlet::base {

void spin_lock::lock_slowly(std::uint8_t seen) noexcept {
  if (seen == abandoned) {
    fatal(
        "something of the parent process (a channel, a tasklet) was used in a child of fork; another thread was in the "
        "middle of using it when the fork came, so it cannot be used here: make new ones in the child");
  }
  // The holder may have been taken off its core: after a while the rest of our time slice is its best chance.
  for (int round = 0;; ++round) {
    for (int look = 0; look < 128; ++look) {
      if (state_.load(relaxed) == 0 && state_.exchange(held, acquire) == 0) {  // [spin.own]
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
