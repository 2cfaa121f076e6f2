#pragma once

#include <martlet/base/current.hpp>
#include <martlet/tasklet/host.hpp>

namespace martlet::detail {

/// Returns   who runs this line and would own a lock: the tasklet, which may go on on another thread, or the thread
///           where none runs.
inline const void* current_owner() noexcept {
  const tasklet* self = running_tasklet();
  return self != nullptr ? static_cast<const void*>(self) : base::this_thread();
}

}  // namespace martlet::detail
