#pragma once

#include <mutex>

#include <martlet/channel/woken.hpp>
#include <martlet/tasklet/await.hpp>
#include <martlet/tasklet/case_operation.hpp>
#include <martlet/tasklet/core_slot.hpp>

namespace martlet {

namespace detail {

/// What an event is made of. Under the lock: nobody who still waits is there while it is set.
struct event_core : wait_core {
  event_core() noexcept : wait_core(keep_lock{}, kind::event) {}

  bool is_set = false;
  word_of_slot word;
  wait_list waiters;
};

/// `event::wait`.
class [[nodiscard("await it")]] event_wait final : public case_operation<event_wait> {
 public:
  explicit event_wait(event_core& in) noexcept : in_(&in) {}

  wait_core& core() noexcept { return *in_; }
  bool try_now(tasklet*&) noexcept { return in_->is_set; }
  void link() noexcept { in_->waiters.push_back(*this); }
  void unlink() noexcept { wait_list::unlink(*this); }
  void result() const noexcept {}

 private:
  event_core* in_;
};

}  // namespace detail

/// Tells any number of tasklets and threads that something has happened, until it is taken back.
///
/// For a state that many wait for ("ready", "stopping"). Where each happening is one tasklet's, or carries a value, use a
/// channel; where the state is richer than one bit, a `condition`.
///
/// ```cpp
/// martlet::event loaded;
/// pool.spawn([&] { load(); loaded.set(); });
/// co_await loaded.wait();                       // at once when it is set already
/// ```
///
/// Destroy it when nobody waits; otherwise the program is stopped.
///
/// Threads   any.
class event {
 public:
  /// Throws    std::bad_alloc.
  event() = default;
  event(const event&) = delete;
  event& operator=(const event&) = delete;
  ~event();

  /// Makes it happen: all who wait go on, and who waits later does not wait. Setting it twice is allowed. Never suspends.
  void set() noexcept;

  /// Takes it back: who waits from now on waits for the next `set`. Never suspends.
  void reset() noexcept {
    const std::lock_guard guard(core_->lock_);
    core_->is_set = false;
  }

  bool is_set() const noexcept {
    const std::lock_guard guard(core_->lock_);
    return core_->is_set;
  }

  /// Waits until it is set. Who was waiting when it was set goes on, even when it is reset at once.
  ///
  /// Throws    cancelled.
  /// Suspends  until then; resumed by the worker that set it.
  detail::event_wait wait() noexcept { return detail::event_wait(*core_); }

 private:
  detail::core_slot<detail::event_core> core_;
};

}  // namespace martlet
