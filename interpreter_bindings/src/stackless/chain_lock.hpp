#pragma once

#include "../object.hpp"

#include <mutex>

#include <martlet/base/spin_lock.hpp>

namespace martlet::python::stackless {

/// Guards all chains, queues of channels and the values that lie in tasklets: one lock for the process.
///
/// With the global lock it is nothing: whoever is attached has all of this for itself until it lets go. Without, it is
/// held for some dozen instructions, and no Python runs meanwhile: references are collected under it, dropped after it.
#ifdef Py_GIL_DISABLED
using chain_lock = base::spin_lock;
#else
struct chain_lock {
  void lock() noexcept {}
  void unlock() noexcept {}
};
#endif

inline constinit chain_lock chains;

using guard = std::lock_guard<chain_lock>;

}  // namespace martlet::python::stackless
