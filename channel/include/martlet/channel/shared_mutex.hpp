#pragma once

#include <cstddef>

#include <martlet/channel/guard.hpp>
#include <martlet/channel/owner.hpp>
#include <martlet/channel/woken.hpp>
#include <martlet/tasklet/await.hpp>
#include <martlet/tasklet/case_operation.hpp>
#include <martlet/tasklet/core_slot.hpp>

namespace martlet {

class shared_mutex;

namespace detail {

/// What a shared mutex is made of.
///
/// Invariants, under the lock: I1 a writer or readers, never both; I2 the oldest who still waits cannot be let in; I3 who
/// comes while somebody waits stands behind him.
struct shared_mutex_core : wait_core {
  shared_mutex_core() noexcept : wait_core(keep_lock{}, kind::shared_mutex) {}

  /// Lets in whom it can of those who wait, the oldest first; under the lock.
  void grant(woken& to) noexcept;

  word_of_slot word;
  const void* writer = nullptr;  // a tasklet or a thread
  std::size_t readers = 0;
  wait_list waiters;
};

/// A wait for a shared mutex.
struct shared_mutex_wait : wait_node {
  explicit shared_mutex_wait(const bool& shared) noexcept : is_shared(shared) {}

  const void* taker = nullptr;  // who will own it; null for its writer, who may not lock it again
  bool is_shared;
};

/// `shared_mutex::acquire`, `acquire_shared`, but for what they give.
class shared_mutex_operation : public shared_mutex_wait {
 public:
  wait_core& core() noexcept;
  bool try_now(tasklet*& nobody) noexcept;
  void link() noexcept;
  void unlink() noexcept;
  void settle() noexcept { woken::ready_from(prev); }

 protected:
  shared_mutex_operation(shared_mutex& of, const bool& shared) noexcept : shared_mutex_wait(shared), of_(&of) {}

  void require_not_writer() const;

  shared_mutex* of_;
};

template <bool IsShared>
class [[nodiscard("await it")]] shared_acquire final
    : public case_operation<shared_acquire<IsShared>, shared_mutex_operation> {
 public:
  static constexpr bool yields_first = true;
  static constexpr bool shares = IsShared;

  explicit shared_acquire(shared_mutex& of) noexcept
      : case_operation<shared_acquire, shared_mutex_operation>(of, shares) {}

  guard<shared_mutex, IsShared> result() {
    this->require_not_writer();
    return guard<shared_mutex, IsShared>(*this->of_, std::adopt_lock);
  }
};

}  // namespace detail

/// Lets in one writer, or any number of readers.
///
/// Served in the order in which they came, readers and writers alike, so that nobody starves: a reader who comes while a
/// writer waits stands behind that writer, and readers who stand together are let in together. It pays where readers wait
/// inside or stay long; for a few instructions a `mutex` is cheaper.
///
/// A reader that locks it again may stand behind a writer that waits for this very reader: take it once. It cannot be
/// upgraded from shared to exclusive.
///
/// ```cpp
/// martlet::shared_mutex door;
/// auto reading = co_await door.acquire_shared();
/// auto writing = co_await door.acquire();
/// std::shared_lock held(door);                  // in a fiber, on a thread
/// ```
///
/// The writer is the tasklet, or the thread; readers are only counted. Destroy it when nobody is in it and nobody waits;
/// otherwise the program is stopped.
///
/// Threads   any.
class shared_mutex {
 public:
  /// Holds the lock, exclusively or shared, and lets it go at its end; moves.
  using guard = detail::guard<shared_mutex>;
  using shared_guard = detail::guard<shared_mutex, true>;

  /// Throws    std::bad_alloc.
  shared_mutex() = default;
  shared_mutex(const shared_mutex&) = delete;
  shared_mutex& operator=(const shared_mutex&) = delete;
  ~shared_mutex();

  /// Waits until nobody else is in it, and keeps all others out.
  ///
  /// Returns   a guard, to be kept.
  /// Throws    cancelled; then it does not own it. misuse when it is its writer already.
  /// Suspends  until then; resumed by the worker of whoever let go.
  detail::shared_acquire<false> acquire() noexcept { return detail::shared_acquire<false>(*this); }

  /// Waits until no writer is in it or came before, and keeps writers out.
  ///
  /// Returns   a guard, to be kept. Throws and suspends as `acquire`.
  detail::shared_acquire<true> acquire_shared() noexcept { return detail::shared_acquire<true>(*this); }

  /// Takes it if that is possible at once. Never suspends.
  ///
  /// Returns   a guard, empty when it could not be had. Throws misuse as `acquire`.
  guard try_acquire() { return try_lock() ? guard(*this, std::adopt_lock) : guard(); }
  shared_guard try_acquire_shared() {
    return try_lock_shared() ? shared_guard(*this, std::adopt_lock) : shared_guard();
  }

  /// As `acquire` and `acquire_shared`, without guards: for std::lock_guard, std::shared_lock and the like.
  ///
  /// Threads   any; in a coroutine they stop the program: `co_await acquire()` there.
  void lock() { martlet::await(acquire()).release(); }
  void lock_shared() { martlet::await(acquire_shared()).release(); }

  /// As `try_acquire` and `try_acquire_shared`, without guards.
  bool try_lock();
  bool try_lock_shared();

  /// Let go of it. Never suspend.
  ///
  /// Throw     misuse when the caller is not its writer; when nobody reads.
  void unlock();
  void unlock_shared();

 private:
  friend class detail::shared_mutex_operation;

  template <bool IsShared>
  bool try_take();

  detail::core_slot<detail::shared_mutex_core> core_;
};

}  // namespace martlet
