#include <martlet/base/bias_lock.hpp>

#include <sched.h>

namespace martlet::base {

void bias_lock::enter_slowly() noexcept {
  for (;;) {
    light_fence();                                   // [bias.look] model
    if ((claimed_.load(acquire) & borrowed) == 0) {  // [bias.look] [bias.borrower]
      return;
    }
    busy_.store(0, release);  // [bias.owner] model
    for (int look = 0; (claimed_.load(relaxed) & borrowed) != 0; ++look) {
      if (look < 128) {
        cpu_pause();
      } else {
        sched_yield();  // the borrower may need our core to get on
      }
    }
    busy_.store(1, relaxed);  // [bias.look]
  }
}

}  // namespace martlet::base
