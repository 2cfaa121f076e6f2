#include "migrating.hpp"

namespace martlet::detail {

void migrating::ready(tasklet* who, tasklet* root, host* here, turn when) noexcept {
  if (root->is_pinned_ || here == nullptr || here->executor_ != this) {
    stealing::ready(who, root, here, when);
    return;
  }
  neighbour_of(static_cast<worker&>(*here)).put_into_inbox(who);
}

}  // namespace martlet::detail
