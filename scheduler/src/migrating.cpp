#include "migrating.hpp"

namespace martlet::detail {

void migrating::ready(tasklet* who, tasklet* root, host* here, turn when) noexcept {
  if (root->is_pinned_ || here == nullptr || here->executor_ != this) {
    stealing::ready(who, root, here, when);
    return;
  }
  neighbour_of(static_cast<worker&>(*here)).put_into_inbox(who);
}

// Every second time, so that those who come from the neighbour do not go before all others for ever.
tasklet* migrating::take_first(worker& w) {
  if (w.ticks_.load(base::relaxed) % 2 == 0) {  // only its own thread changes them
    if (tasklet* who = w.take_local(); who != nullptr) {
      return who;
    }
  }
  return stealing::take_first(w);
}

}  // namespace martlet::detail
