#pragma once

#include <cstddef>

#include <martlet/tasklet/frame_pool.hpp>
#include <martlet/tasklet/tasklet.hpp>

namespace martlet::testing {

/// Counts the frames of tasklets and of awaited tasks that exist in the process, by walking the slabs.
inline std::size_t frames_in_use() {
  std::size_t count = 0;
  detail::frames().walk([&](const detail::free_slot* slot, std::size_t) {
    const auto word = slot->word.load(base::acquire);
    count += detail::tasklet::tag_of(word) != detail::tag::free ? 1U : 0U;
  });
  return count;
}

/// Counts those whose root waits.
inline std::size_t frames_that_wait() {
  std::size_t count = 0;
  detail::frames().walk([&](const detail::free_slot* slot, std::size_t) {
    const auto now = detail::tasklet::tag_of(slot->word.load(base::acquire));
    count += now == detail::tag::parked || now == detail::tag::select ? 1U : 0U;
  });
  return count;
}

}  // namespace martlet::testing
