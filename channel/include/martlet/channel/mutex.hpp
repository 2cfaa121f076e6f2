#pragma once

#include <cstddef>
#include <mutex>

#include <martlet/channel/guard.hpp>
#include <martlet/channel/owner.hpp>
#include <martlet/channel/woken.hpp>
#include <martlet/tasklet/await.hpp>
#include <martlet/tasklet/case_operation.hpp>
#include <martlet/tasklet/core_slot.hpp>

namespace martlet {

class condition;

namespace detail {

/// What a mutex is made of, re-entrant or not.
///
/// Invariants, under the lock: I1 nobody who still waits is there while nobody owns it: an unlock gives it to the oldest.
struct mutex_core : wait_core {
  mutex_core() noexcept : wait_core(keep_lock{}, kind::mutex) {}

  /// Lets go of one locking, for its owner.
  ///
  /// Returns   false, with nothing done, when the caller does not own it.
  bool unlock() noexcept {
    lock_.lock();
    if (owner != current_owner()) [[unlikely]] {
      lock_.unlock();
      return false;
    }
    if (depth != 0) {
      --depth;
      lock_.unlock();
      return true;
    }
    tasklet* next = hand_over();
    lock_.unlock();  // the last touch
    if (next != nullptr) {
      ready(next, current_host());
    }
    return true;
  }

  /// Gives it to the oldest who waits, under the lock.
  ///
  /// Returns   whom to make ready after the unlock; null when nobody waits.
  tasklet* hand_over() noexcept {
    if (waiters.empty()) [[likely]] {
      owner = nullptr;
      return nullptr;
    }
    return hand_to_oldest();
  }
  tasklet* hand_to_oldest() noexcept;

  word_of_slot word;
  const void* owner = nullptr;  // a tasklet or a thread
  std::size_t depth = 0;        // how many more times the owner has locked a re-entrant one
  wait_list waiters;
};

/// A wait for a mutex.
struct mutex_wait : wait_node {
  const void* taker = nullptr;  // who will own it; null for who owns it already and may not lock it again
};

[[noreturn]] void refuse_unlock(const char* what);
[[noreturn]] void refuse_second_lock(const char* what);
void refuse_death_of(const char* what, bool is_locked, std::size_t waiters) noexcept;

/// `mutex::acquire`, `recursive_mutex::acquire`.
template <class Mutex>
class [[nodiscard("await it")]] acquire_operation final : public case_operation<acquire_operation<Mutex>, mutex_wait> {
 public:
  static constexpr bool yields_first = true;

  explicit acquire_operation(Mutex& of) noexcept : of_(&of) {}

  wait_core& core() noexcept { return *of_->core_; }
  bool try_now(tasklet*&) noexcept {
    mutex_core& core = *of_->core_;
    this->taker = current_owner();
    if (core.owner == nullptr) [[likely]] {
      core.owner = this->taker;
      return true;
    }
    if (core.owner != this->taker) {
      return false;
    }
    if constexpr (Mutex::is_recursive) {
      ++core.depth;
    } else {
      this->taker = nullptr;
    }
    return true;
  }
  void link() noexcept { of_->core_->waiters.push_back(*this); }
  void unlink() noexcept { wait_list::unlink(*this); }
  guard<Mutex> result() {
    if (this->taker == nullptr) [[unlikely]] {
      refuse_second_lock(Mutex::name);
    }
    return guard<Mutex>(*of_, std::adopt_lock);
  }

 private:
  Mutex* of_;
};

/// What the mutexes share; `Derived` is one of them.
template <class Derived>
class basic_mutex {
 public:
  /// Holds the lock and lets it go at its end; moves.
  using guard = detail::guard<Derived>;

  /// Throws    std::bad_alloc.
  basic_mutex() = default;
  basic_mutex(const basic_mutex&) = delete;
  basic_mutex& operator=(const basic_mutex&) = delete;
  ~basic_mutex() {
    if (core_->owner != nullptr || !core_->waiters.empty()) [[unlikely]] {
      refuse_death_of(Derived::name, core_->owner != nullptr, core_->waiters.size());
    }
  }

  /// Waits until it is the caller's.
  ///
  /// Returns   a guard, to be kept.
  /// Throws    cancelled; then it does not own it. misuse when it owns a mutex already that is not re-entrant.
  /// Suspends  while another owns it; resumed by the worker of whoever unlocked it.
  /// Cost      about 20 ns with its unlock when nobody else wants it.
  acquire_operation<Derived> acquire() noexcept { return acquire_operation<Derived>(self()); }

  /// Takes it unless another owns it. Never suspends.
  ///
  /// Returns   a guard, empty when it could not be had. Throws misuse as `acquire`.
  guard try_acquire() { return try_lock() ? guard(self(), std::adopt_lock) : guard(); }

  /// As `acquire`, without a guard: for std::lock_guard, std::unique_lock and std::scoped_lock in fibers and on threads.
  ///
  /// Threads   any; in a coroutine it stops the program: `co_await acquire()` there.
  void lock() {
    if (current_host() != nullptr || !try_lock()) {  // a thread needs no record of its own where it need not wait
      martlet::await(acquire()).release();
    }
  }

  /// As `try_acquire`, without a guard.
  bool try_lock() {
    acquire_operation<Derived> op(self());
    tasklet* nobody = nullptr;
    core_->lock_.lock();
    const bool done = op.try_now(nobody);
    core_->lock_.unlock();
    if (done) {
      op.result().release();
    }
    return done;
  }

  /// Lets go of it, and gives it to the tasklet or thread that has waited longest. Never suspends.
  ///
  /// Throws    misuse when the caller does not own it.
  void unlock() {
    if (!core_->unlock()) [[unlikely]] {
      refuse_unlock(Derived::name);
    }
  }

 private:
  friend class acquire_operation<Derived>;
  friend class martlet::condition;

  Derived& self() noexcept { return static_cast<Derived&>(*this); }

  core_slot<mutex_core> core_;
};

}  // namespace detail

/// Lets one at a time into a piece of code that may wait inside.
///
/// The owner is the tasklet, which may go on on another thread between locking and unlocking; on a plain thread it is the
/// thread. Those who wait get it in the order in which they came: an unlock hands it to the oldest, nobody overtakes.
/// Use a std::mutex where nothing inside waits and few compete; use a channel where the state could belong to one tasklet.
///
/// ```cpp
/// martlet::mutex door;
/// {
///   auto held = co_await door.acquire();        // in a coroutine
///   co_await log.write(line);
/// }
/// std::lock_guard held(door);                   // in a fiber, on a thread; also unique_lock, scoped_lock
/// auto soon = co_await martlet::within(5ms, door.acquire());
/// ```
///
/// Destroy it when nobody owns it and nobody waits; otherwise the program is stopped.
///
/// Threads   any.
class mutex final : public detail::basic_mutex<mutex> {
 public:
  static constexpr bool is_recursive = false;
  static constexpr const char* name = "mutex";
};

}  // namespace martlet
