#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include <martlet/base/atomic.hpp>

namespace martlet::detail {

/// A queue with two ends in one power-of-two array, which doubles when it is full. For one thread at a time; only
/// `seems_empty` may be asked by others.
///
/// Cost      O(1) amortised at both ends; an empty one that has grown large gives its array back.
template <class T>
class ring_buffer {
 public:
  bool empty() const noexcept { return size() == 0; }
  std::size_t size() const noexcept { return tail() - head(); }

  /// Returns   a hint, for any thread.
  bool seems_empty() const noexcept { return size() == 0; }

  T back() const noexcept { return items_[(tail() - 1) & mask_]; }

  void push_back(T item) {
    if (size() > mask_) [[unlikely]] {
      grow();
    }
    const std::size_t at = tail();
    items_[at & mask_] = item;
    set_tail(at + 1);
  }

  T pop_back() noexcept {
    const std::size_t at = tail() - 1;
    set_tail(at);
    return items_[at & mask_];
  }

  T pop_front() noexcept {
    const std::size_t at = head();
    set_head(at + 1);
    return items_[at & mask_];
  }

  /// Takes the first and puts `item` behind the last; T{} and nothing done when there is no first.
  T rotate(T item) noexcept {
    const std::size_t first = head();
    const std::size_t last = tail();
    if (first == last) {
      return T{};
    }
    const std::size_t mask = mask_;
    T* const items = items_.get();
    T taken = items[first & mask];
    items[last & mask] = item;  // in a full ring that is where the first was
    set_head(first + 1);
    set_tail(last + 1);
    return taken;
  }

  /// Gives a large array back once nothing is in it.
  void trim() noexcept {
    if (mask_ >= kept && empty()) [[unlikely]] {
      items_ = std::make_unique<T[]>(first_capacity);
      mask_ = first_capacity - 1;
    }
  }

 private:
  static constexpr std::size_t first_capacity = 256;
  static constexpr std::size_t kept = 4096;

  std::size_t head() const noexcept { return head_.load(base::relaxed); }
  std::size_t tail() const noexcept { return tail_.load(base::relaxed); }
  void set_head(std::size_t at) noexcept { head_.store(at, base::relaxed); }
  void set_tail(std::size_t at) noexcept { tail_.store(at, base::relaxed); }

  [[gnu::noinline]] void grow() {
    auto items = std::make_unique<T[]>(2 * (mask_ + 1));
    const std::size_t count = size();
    for (std::size_t i = 0; i < count; ++i) {
      items[i] = items_[(head() + i) & mask_];
    }
    items_ = std::move(items);
    mask_ = 2 * mask_ + 1;
    set_head(0);
    set_tail(count);
  }

  std::unique_ptr<T[]> items_ = std::make_unique<T[]>(first_capacity);
  std::size_t mask_ = first_capacity - 1;
  // Atomic only because a watcher glances at them; whoever changes them is alone.
  base::atomic<std::size_t> head_{0};
  base::atomic<std::size_t> tail_{0};
};

}  // namespace martlet::detail
