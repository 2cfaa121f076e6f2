#pragma once

#include <martlet/channel/mutex.hpp>

namespace martlet {

/// A mutex that its owner may lock again; it is free when it was unlocked as many times.
///
/// For callbacks and old code that re-enter themselves. Where you can, use `mutex`, and split what needs the lock from
/// what takes it: a re-entrant lock hides that an invariant is broken half-way through.
///
/// ```cpp
/// martlet::recursive_mutex door;
/// std::lock_guard outer(door);
/// std::lock_guard inner(door);                  // the same fiber or thread
/// ```
///
/// Threads   any.
class recursive_mutex final : public detail::basic_mutex<recursive_mutex> {
 public:
  static constexpr bool is_recursive = true;
  static constexpr const char* name = "recursive_mutex";
};

}  // namespace martlet
