#pragma once

#include <cstddef>
#include <new>
#include <type_traits>

#include <sys/mman.h>

#include <martlet/base/atomic.hpp>

namespace martlet::detail {

/// A queue with two ends in one power-of-two array, which doubles when it is full. For one thread at a time; only
/// `seems_empty` may be asked by others.
///
/// A large array comes from the system itself: malloc would keep it when it is given back.
///
/// Memory orders: [queue.spell] while something is in it `head_` is behind `tail_` at each moment, and `head_` only grows. So
/// whoever reads a head, and then a tail that is no older, never finds empty what was not since he last knew of something.
///
/// Cost      O(1) amortised at both ends.
template <class T>
class ring_buffer {
  static_assert(std::is_trivially_copyable_v<T>);

  struct nothing {
    void operator()() const noexcept {}
  };

 public:
  /// Throws    std::bad_alloc.
  ring_buffer() : items_(allocate(first_capacity)) {
    if (items_ == nullptr) {
      throw std::bad_alloc();
    }
  }
  ring_buffer(const ring_buffer&) = delete;
  ring_buffer& operator=(const ring_buffer&) = delete;
  ~ring_buffer() { release(items_, mask_ + 1); }

  bool empty() const noexcept { return size() == 0; }
  std::size_t size() const noexcept { return tail() - head(); }

  /// Returns   a hint, for any thread; false if it was not empty for a moment since something that the thread knows of.
  bool seems_empty() const noexcept {
    const std::size_t first = head_.load(base::acquire);  // [queue.spell] model
    return first == tail();
  }

  T back() const noexcept { return items_[(tail() - 1) & mask_]; }

  /// Calls `was_empty` if it was.
  ///
  /// Returns   false, with nothing done, when it is full and there is no memory for a larger array.
  template <class WasEmpty = nothing>
  [[nodiscard]] bool push_back(T item, WasEmpty was_empty = {}) noexcept {
    std::size_t at = tail();
    const std::size_t count = at - head();
    if (count == 0) {
      was_empty();
    } else if (count > mask_) [[unlikely]] {
      if (!grow()) {
        return false;
      }
      at = tail();
    }
    items_[at & mask_] = item;
    set_tail(at + 1);
    return true;
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
    T* const items = items_;
    T taken = items[first & mask];
    items[last & mask] = item;  // in a full ring that is where the first was
    set_tail(last + 1);         // [queue.spell] before the head
    set_head(first + 1);
    return taken;
  }

  /// Returns   a hint, for any thread: whether it has a large array.
  bool is_large() const noexcept { return is_large_.load(base::relaxed); }

  /// Gives a large array back if nothing is in it.
  void trim() noexcept {
    if (!is_large() || !empty()) {
      return;
    }
    if (T* items = allocate(first_capacity); items != nullptr) {
      replace_by(items, first_capacity);
    }
  }

 private:
  static constexpr std::size_t first_capacity = 256;
  static constexpr std::size_t mapped_from = (std::size_t{64} << 10) / sizeof(T);  // items

  std::size_t head() const noexcept { return head_.load(base::relaxed); }
  std::size_t tail() const noexcept { return tail_.load(base::relaxed); }
  void set_head(std::size_t at) noexcept { head_.store(at, base::release); }  // [queue.spell] model
  void set_tail(std::size_t at) noexcept { tail_.store(at, base::relaxed); }

  static T* allocate(std::size_t capacity) noexcept {
    if (capacity < mapped_from) {
      return new (std::nothrow) T[capacity];
    }
    void* memory = ::mmap(nullptr, capacity * sizeof(T), PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? nullptr : static_cast<T*>(memory);
  }
  static void release(T* items, std::size_t capacity) noexcept {
    if (capacity < mapped_from) {
      delete[] items;
    } else {
      ::munmap(items, capacity * sizeof(T));
    }
  }

  void replace_by(T* items, std::size_t capacity) noexcept {
    release(items_, mask_ + 1);
    items_ = items;
    mask_ = capacity - 1;
    is_large_.store(capacity >= mapped_from, base::relaxed);
  }

  [[gnu::noinline]] bool grow() noexcept {
    const std::size_t capacity = 2 * (mask_ + 1);
    T* items = allocate(capacity);
    if (items == nullptr) {
      return false;
    }
    for (std::size_t at = head(); at != tail(); ++at) {
      items[at & (capacity - 1)] = items_[at & mask_];
    }
    replace_by(items, capacity);
    return true;
  }

  T* items_;
  std::size_t mask_ = first_capacity - 1;
  // Atomic only because a watcher glances at them; whoever changes them is alone.
  base::atomic<std::size_t> head_{0};
  base::atomic<std::size_t> tail_{0};
  base::atomic<bool> is_large_{false};
};

}  // namespace martlet::detail
