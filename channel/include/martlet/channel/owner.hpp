#pragma once

#include <martlet/base/current.hpp>
#include <martlet/tasklet/host.hpp>

namespace martlet::detail {

/// Returns   who runs this line and would own a lock: the tasklet, which may go on on another thread, or the thread
///           where none runs.
inline const void* current_owner() noexcept {
  if (const host* here = current_host(); here != nullptr) {
    if (const tasklet* root = here->current_.load(base::relaxed); root != nullptr) {
      return root;
    }
  }
  return base::this_thread();
}

}  // namespace martlet::detail
