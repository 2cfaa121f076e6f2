#pragma once

#include "../object.hpp"

#include <mutex>
#include <type_traits>

#include <martlet/base/atomic.hpp>
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

/// A field that is changed under the lock, and looked at without it where the answer is only a hint: whoever acts on it looks again under
/// the lock, or is the only thread that could have changed it to something else.
template <class T>
class glimpse {
 public:
  glimpse() noexcept = default;
  glimpse(T value) noexcept : value_(value) {}
  glimpse& operator=(T value) noexcept {
    value_.store(value, base::relaxed);  // what depends on it is ordered by the lock
    return *this;
  }

  operator T() const noexcept { return value_.load(base::relaxed); }
  T operator->() const noexcept
    requires std::is_pointer_v<T>
  {
    return *this;
  }

 private:
  base::atomic<T> value_{};
};

}  // namespace martlet::python::stackless
