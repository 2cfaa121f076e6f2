#pragma once

#include <array>
#include <cstddef>
#include <new>

#ifdef MARTLET_MODEL
#include <checker/concurrent_queue.hpp>
#else
#include <oneapi/tbb/concurrent_queue.h>
#endif

#include <martlet/base/atomic.hpp>
#include <martlet/base/spin_lock.hpp>

namespace martlet::base {

/// A little memory for when there is no other.
///
/// Threads   any.
class memory_reserve {
 public:
  /// Returns   memory for `bytes`, from the reserve where the system has none.
  /// Throws    std::bad_alloc when the reserve has run out too, or was never meant for so much.
  void* take(std::size_t bytes, std::size_t alignment);
  void give_back(void* memory, std::size_t alignment) noexcept;

  /// Returns   a hint: whether some of it is in use, so that one had better need none.
  bool is_in_use() const noexcept { return used_.load(relaxed) != 0; }

 private:
  static constexpr std::size_t block_bytes = 320;
  static constexpr std::size_t block_count = 64;

  struct alignas(64) block {
    std::byte bytes[block_bytes];
  };

  atomic<std::size_t> used_{0};  // under the lock; a hint without
  spin_lock lock_;
  std::array<bool, block_count> is_taken_{};
  std::array<block, block_count> blocks_;
};

/// What a queue of oneTBB's takes its memory from.
template <class T>
struct reserved_allocator {
  using value_type = T;

  explicit reserved_allocator(memory_reserve& from) noexcept : reserve(&from) {}
  template <class U>
  reserved_allocator(const reserved_allocator<U>& other) noexcept : reserve(other.reserve) {}

  T* allocate(std::size_t count) { return static_cast<T*>(reserve->take(count * sizeof(T), alignof(T))); }
  void deallocate(T* memory, std::size_t) noexcept { reserve->give_back(memory, alignof(T)); }

  template <class U>
  bool operator==(const reserved_allocator<U>& other) const noexcept {
    return reserve == other.reserve;
  }

  memory_reserve* reserve;
};

/// An unbounded queue through which threads that are no workers hand work to a scheduler.
///
/// Roughly first in, first out. oneTBB does the work; this header is the only place that knows it, so that a checker
/// can put a queue of its own here. Its memory is malloc's and not TBB's, which would keep what a burst has needed.
/// One of TBB's queues that has once found no memory is of no use any more, so there is a reserve, of a page for each of
/// 64 threads that push at the same time; while some of it is in use `try_push` refuses.
///
/// Memory orders: [injector.count] the count is raised before the item can be taken, and a worker that goes to sleep
/// looks at it after it has published "asleep", both seq_cst.
///
/// Threads   any.
/// Cost      20-60 ns an item; `seems_empty` one load.
template <class T>
class injector {
 public:
  /// Returns   false, with nothing done, while there is no memory.
  bool try_push(T item) {
    if (reserve_.is_in_use()) [[unlikely]] {
      return false;
    }
    count_.fetch_add(1, seq_cst);  // [injector.count]
    items_.push(item);
    return true;
  }

  /// Returns   false when nothing was there.
  bool try_pop(T& item) {
    if (seems_empty() || !items_.try_pop(item)) {
      return false;
    }
    count_.fetch_sub(1, relaxed);  // only the zero matters, and a late one costs a look
    return true;
  }

  bool seems_empty() const noexcept { return count_.load(seq_cst) == 0; }  // [injector.count] model

  std::size_t size() const noexcept { return count_.load(relaxed); }

 private:
  atomic<std::size_t> count_{0};
  memory_reserve reserve_;
  oneapi::tbb::concurrent_queue<T, reserved_allocator<T>> items_{reserved_allocator<T>(reserve_)};
};

}  // namespace martlet::base
