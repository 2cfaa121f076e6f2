#include <martlet/base/injector.hpp>

#include <algorithm>
#include <mutex>

namespace martlet::base {

void* memory_reserve::take(std::size_t bytes, std::size_t alignment) {
  if (void* memory = ::operator new(bytes, std::align_val_t(alignment), std::nothrow); memory != nullptr) {
    return memory;
  }
  const std::lock_guard guard(lock_);
  const auto place = std::find(is_taken_.begin(), is_taken_.end(), false);
  if (bytes > block_bytes || alignment > alignof(block) || place == is_taken_.end()) {
    throw std::bad_alloc();
  }
  *place = true;
  used_.store(used_.load(relaxed) + 1, relaxed);
  return blocks_[static_cast<std::size_t>(place - is_taken_.begin())].bytes;
}

void memory_reserve::give_back(void* memory, std::size_t alignment) noexcept {
  const auto* low = reinterpret_cast<std::byte*>(blocks_.data());
  const auto* at = static_cast<std::byte*>(memory);
  if (at < low || at >= low + sizeof blocks_) {
    ::operator delete(memory, std::align_val_t(alignment));
    return;
  }
  const std::lock_guard guard(lock_);
  is_taken_[static_cast<std::size_t>(at - low) / sizeof(block)] = false;
  used_.store(used_.load(relaxed) - 1, relaxed);
}

}  // namespace martlet::base
