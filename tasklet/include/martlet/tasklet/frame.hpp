#pragma once

#include <cstddef>

#include <martlet/base/sanitizer.hpp>
#include <martlet/tasklet/frame_pool.hpp>
#include <martlet/tasklet/host.hpp>

/// Memory for one frame, from the free lists of the thread that asks.
///
/// Inline, because a compiler knows the size of each coroutine's frame: its size class is then a constant.
namespace martlet::detail {

/// Takes memory where there is no list of one's own, or the size is beyond all. Throws std::bad_alloc.
void* allocate_frame_elsewhere(std::size_t size);
void free_frame_elsewhere(free_slot* slot, std::size_t index) noexcept;

/// Takes memory for a frame of `size` bytes, on a 16-byte boundary.
///
/// Throws    std::bad_alloc, also beyond `largest_frame`.
/// Threads   any. Cost about 2 ns on a worker.
inline void* allocate_frame(std::size_t size) {
  host* here = current_host();
  if (here == nullptr || size > largest_frame) [[unlikely]] {
    return allocate_frame_elsewhere(size);
  }
  const std::size_t index = frame_class(size);
  void* slot = here->frames_.take(index);
  base::unpoison(slot, frame_class_size(index));
  return slot;
}

/// Gives it back. `size` is what was asked for.
inline void free_frame(void* frame, std::size_t size) noexcept {
  const std::size_t index = frame_class(size);
  auto* slot = static_cast<free_slot*>(frame);
  slot->word.store(0, base::release);  // tag free: walkers pass it by
  if (frame_class_size(index) > always_readable) {
    base::poison(reinterpret_cast<std::byte*>(slot) + always_readable, frame_class_size(index) - always_readable);
  }
  if (host* here = current_host(); here != nullptr) [[likely]] {
    here->frames_.give_back(index, slot);
  } else {
    free_frame_elsewhere(slot, index);
  }
}

}  // namespace martlet::detail
