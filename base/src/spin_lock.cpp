#include <martlet/base/spin_lock.hpp>

#include <algorithm>

#include <sched.h>

#include <martlet/base/check.hpp>

namespace martlet::base {
namespace {

// Between two looks. Who has the lock uses it a dozen times meanwhile, where it comes back at once; looking all the time would
// take the line from its core for every single use.
constexpr int fewest_pauses = 8;
constexpr int most_pauses = 64;

// After so many looks the holder may have been taken off its core: then the rest of our time slice is its best chance.
constexpr int patient_looks = 10;

}  // namespace

void spin_lock::lock_slowly(std::uint8_t seen) noexcept {
  if (seen == abandoned) {
    fatal(
        "something of the parent process (a channel, a tasklet) was used in a child of fork; another thread was in the "
        "middle of using it when the fork came, so it cannot be used here: make new ones in the child");
  }
  for (int looks = 1, pauses = fewest_pauses;; ++looks) {
    if (state_.load(relaxed) == 0 && state_.exchange(held, acquire) == 0) {  // [spin.own]
      return;
    }
    cpu_pause(pauses);
    pauses = std::min(2 * pauses, most_pauses);
    if (looks > patient_looks) {
      sched_yield();
    }
  }
}

}  // namespace martlet::base
