#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <utility>

#include <martlet/channel/woken.hpp>
#include <martlet/tasklet/await.hpp>
#include <martlet/tasklet/case_operation.hpp>
#include <martlet/tasklet/core_slot.hpp>

namespace martlet {

class semaphore;

namespace detail {

class semaphore_acquire;

/// Throws    misuse for none.
void require_units(std::size_t count);

/// What a semaphore is made of.
///
/// Invariants, under the lock: I1 the oldest who still waits asks for more than is available; I2 who comes while somebody
/// waits stands behind him.
struct semaphore_core : wait_core {
  semaphore_core(std::size_t count, std::size_t most_available) noexcept
      : wait_core(keep_lock{}, kind::semaphore), available(count), most(most_available) {}

  /// Gives to those who wait, the oldest first, as long as it suffices; under the lock.
  void grant(woken& to) noexcept;

  word_of_slot word;
  std::size_t available;
  const std::size_t most;
  wait_list waiters;
};

}  // namespace detail

/// Units taken from a semaphore, which go back at its end. Moves.
class [[nodiscard("a permit that is dropped goes back at once")]] permit {
 public:
  /// Makes one that holds nothing.
  permit() noexcept = default;
  permit(permit&& other) noexcept
      : from_(std::exchange(other.from_, nullptr)), count_(std::exchange(other.count_, 0)) {}
  permit& operator=(permit&& other) noexcept {
    permit(std::move(other)).swap(*this);
    return *this;
  }
  ~permit() { release(); }

  void swap(permit& other) noexcept {
    std::swap(from_, other.from_);
    std::swap(count_, other.count_);
  }

  /// Gives the units back now. Never suspends.
  void release() noexcept;

  /// Keeps the units taken: somebody else gives them back with `semaphore::release`.
  void dismiss() noexcept {
    from_ = nullptr;
    count_ = 0;
  }

  /// Returns   how many units it holds.
  std::size_t count() const noexcept { return count_; }
  explicit operator bool() const noexcept { return from_ != nullptr; }

 private:
  friend class semaphore;
  friend class detail::semaphore_acquire;

  permit(semaphore& from, std::size_t count) noexcept : from_(&from), count_(count) {}

  semaphore* from_ = nullptr;
  std::size_t count_ = 0;
};

/// Limits how many do something at the same time, or how much of something is in use.
///
/// Those who wait are served in the order in which they came: a large request at the head is not overtaken by small ones
/// behind it. Permits belong to nobody: another tasklet may give them back. For one at a time, a `mutex` knows its owner.
/// With a maximum, giving back more than was taken is an error instead of a unit too many.
///
/// ```cpp
/// martlet::semaphore connections(8);
/// auto one = co_await connections.acquire();    // gives it back at its end
/// auto bulk = co_await martlet::within(1s, bytes.acquire(64 * 1024));
/// ```
///
/// Destroy it when nobody waits; otherwise the program is stopped. Permits must not outlive it.
///
/// Threads   any.
class semaphore {
 public:
  /// Takes     how many units there are at first, and at most.
  /// Throws    misuse for more units than there may be, or than PTRDIFF_MAX; std::bad_alloc.
  explicit semaphore(std::size_t count, std::size_t most = PTRDIFF_MAX);
  semaphore(const semaphore&) = delete;
  semaphore& operator=(const semaphore&) = delete;
  ~semaphore();

  /// Waits until `count` units are there and all who came before have theirs, and takes them.
  ///
  /// Returns   a permit, to be kept.
  /// Throws    cancelled; then nothing was taken. misuse for 0 units.
  /// Suspends  until then; resumed by the worker of whoever released.
  detail::semaphore_acquire acquire(std::size_t count = 1);

  /// Takes `count` units if they are there and nobody waits. Never suspends.
  ///
  /// Returns   a permit, empty when it could not be had. Throws misuse for 0 units.
  permit try_acquire(std::size_t count = 1);

  /// Gives back `count` units, or adds new ones. Never suspends.
  ///
  /// Throws    misuse, with nothing done, when there would be more than there may be.
  void release(std::size_t count = 1);

  /// Returns   how many units nobody has taken.
  std::size_t available() const noexcept {
    const std::lock_guard guard(core_->lock_);
    return core_->available;
  }

 private:
  friend class detail::semaphore_acquire;

  detail::core_slot<detail::semaphore_core> core_;
};

namespace detail {

/// A wait for units.
struct semaphore_wait : wait_node {
  explicit semaphore_wait(const std::size_t& wanted) noexcept : count(wanted) {}

  std::size_t count;
};

/// `semaphore::acquire`.
class [[nodiscard("await it")]] semaphore_acquire final : public case_operation<semaphore_acquire, semaphore_wait> {
 public:
  static constexpr bool yields_first = true;

  semaphore_acquire(semaphore& from, std::size_t wanted) noexcept : case_operation(wanted), from_(&from) {}

  wait_core& core() noexcept { return *from_->core_; }
  bool try_now(tasklet*&) noexcept {
    semaphore_core& core = *from_->core_;
    if (!core.waiters.empty() || core.available < count) {
      return false;
    }
    core.available -= count;
    return true;
  }
  void link() noexcept { from_->core_->waiters.push_back(*this); }
  void unlink() noexcept;
  void settle() noexcept { woken::ready_from(prev); }
  permit result() noexcept { return permit(*from_, count); }

 private:
  semaphore* from_;
};

}  // namespace detail

inline detail::semaphore_acquire semaphore::acquire(std::size_t count) {
  detail::require_units(count);
  return {*this, count};
}

}  // namespace martlet
