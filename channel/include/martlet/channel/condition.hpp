#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <optional>
#include <utility>

#include <martlet/base/clock.hpp>
#include <martlet/channel/mutex.hpp>
#include <martlet/channel/select.hpp>
#include <martlet/scheduler/deadline.hpp>
#include <martlet/scheduler/sleep.hpp>
#include <martlet/tasklet/core_slot.hpp>
#include <martlet/tasklet/step.hpp>
#include <martlet/tasklet/task.hpp>

namespace martlet {

class condition;

namespace detail {

/// What a condition is made of.
struct condition_core : wait_core {
  condition_core() noexcept : wait_core(keep_lock{}, kind::condition) {}

  word_of_slot word;
  wait_list waiters;
};

/// How the first of the two waits of a `condition::wait` ended.
enum class notice : std::uint8_t { given, late, cancelled };

/// The wait for a notice.
class notice_operation final : public case_operation<notice_operation> {
 public:
  explicit notice_operation(condition_core& of) noexcept : of_(&of) {}

  wait_core& core() noexcept { return *of_; }
  bool try_now(tasklet*&) const noexcept { return false; }  // who does not wait yet is not meant
  void link() noexcept { of_->waiters.push_back(*this); }
  void unlink() noexcept { wait_list::unlink(*this); }
  void result() const noexcept {}

 private:
  condition_core* of_;
};

class notice_wait {
 public:
  using result_type = void;
  static constexpr bool is_timed = false;

  explicit notice_wait(condition_core& of) noexcept : op_(of) {}

  bool prepare(waiter who) { return op_.prepare(who); }
  bool publish() noexcept { return op_.publish(); }
  notice end() noexcept;

 private:
  notice_operation op_;
};

class timed_notice_wait {
 public:
  using result_type = bool;  // whether there was a notice
  static constexpr bool is_timed = true;

  timed_notice_wait(condition_core& of, base::instant until) noexcept : op_(of), limit_(until) {}

  bool prepare(waiter who) {
    cases_ = {select_case::of(op_), select_case::of(limit_)};
    wait_.emplace(cases_, cores_);
    return wait_->prepare(who);
  }
  bool publish() noexcept { return wait_->publish(); }
  notice end() noexcept;

 private:
  notice_operation op_;
  sleep_operation limit_;
  std::array<select_case, 2> cases_;
  std::array<wait_core*, 2> cores_{};
  std::optional<select_wait> wait_;
};

/// `condition::wait`, `wait_until`: a wait for a notice without the mutex, then one for the mutex, which no cancel ends.
///
/// A coroutine cannot wait in `await_resume`, so the second wait is begun by a step of the operation's own, which stands
/// as the tasklet's innermost part and is resumed in its place.
template <class First>
class [[nodiscard("await it")]] condition_wait final : public operation<condition_wait<First>>, public step {
 public:
  template <class... Args>
  explicit condition_wait(mutex_core& held, Args&&... args) noexcept
      : step(&run), first_(std::forward<Args>(args)...), mutex_(&held) {}

  bool prepare(waiter who);
  bool publish() noexcept;
  /// Throws    cancelled, with the mutex held.
  typename First::result_type finish();

 private:
  enum class phase : std::uint8_t { waits, is_over, locks };

  static void run(void* frame) noexcept;
  void end_first() noexcept;
  bool lock_again() noexcept;

  First first_;
  mutex_core* mutex_;
  mutex_wait second_;
  phase phase_ = phase::waits;
  notice outcome_ = notice::cancelled;
  bool is_shielded_ = false;
};

extern template class condition_wait<notice_wait>;
extern template class condition_wait<timed_notice_wait>;

/// What leads to a mutex that it holds: `mutex::guard`, `std::unique_lock<mutex>`.
template <class Guard>
concept guard_of_mutex = requires(const Guard& guard) {
  { guard.owns_lock() } -> std::convertible_to<bool>;
  { guard.mutex() } -> std::same_as<mutex*>;
};

/// Throws `cancelled` when the running tasklet was: where the predicate holds at once there is no wait that would.
void refuse_if_cancelled();

/// Waits until a predicate holds: a loop, which a coroutine runs as a task, a fiber or a thread by `block`.
template <class Predicate, bool IsTimed>
class [[nodiscard("await it")]] predicate_wait {
 public:
  using result_type = std::conditional_t<IsTimed, bool, void>;

  predicate_wait(condition& of, mutex& held, deadline until, Predicate&& predicate)
      : of_(&of), held_(&held), until_(until), predicate_(std::move(predicate)) {}

  auto operator co_await() && {
    loop_ = loop(*of_, *held_, until_, std::move(predicate_));
    return std::move(loop_).operator co_await();
  }
  result_type block() &&;

 private:
  static task<result_type> loop(condition& of, mutex& held, deadline until, Predicate predicate);

  condition* of_;
  mutex* held_;
  deadline until_;
  Predicate predicate_;
  task<result_type> loop_;
};

}  // namespace detail

/// Lets those who hold a mutex wait until somebody has changed what it protects.
///
/// The caller holds the mutex before and after every wait, and not meanwhile; also when the wait throws. Wait for a
/// predicate wherever you can: between a notice and the moment in which the waiter has the mutex again, another may have
/// changed things back. For one bit use an `event`, for a queue a channel: both are simpler to use rightly.
///
/// ```cpp
/// martlet::mutex door;
/// martlet::condition changed;
/// std::deque<int> items;
///
/// auto held = co_await door.acquire();                                   // a consumer
/// co_await changed.wait(held, [&] { return !items.empty(); });
///
/// std::unique_lock held(door);                                           // in a fiber, on a thread
/// martlet::await(changed.wait(held, [&] { return !items.empty(); }));
///
/// auto held = co_await door.acquire();                                   // a producer
/// items.push_back(1);
/// changed.notify_one();
/// ```
///
/// The waits are no cases of `select`, and `within` does not take them: they are two waits, for the notice and for the
/// mutex, of which the second cannot be given up. They have a limit of their own instead.
///
/// Guards are `mutex::guard` and `std::unique_lock<martlet::mutex>`; a guard that holds nothing, or a mutex that the
/// caller does not own, is a `misuse`. Destroy a condition when nobody waits; otherwise the program is stopped.
///
/// Threads   any.
class condition {
 public:
  /// Throws    std::bad_alloc.
  condition() = default;
  condition(const condition&) = delete;
  condition& operator=(const condition&) = delete;
  ~condition();

  /// Wakes the tasklet or thread that has waited longest, if any does. Never suspends.
  void notify_one() noexcept;

  /// Wakes all who wait; each queues for the mutex when it is its turn. Never suspends.
  void notify_all() noexcept;

  /// Unlocks the mutex, waits for a notice, and locks the mutex again. It does not wake without a notice.
  ///
  /// Throws    cancelled, with the mutex held; misuse.
  /// Suspends  until then; resumed by the worker of whoever unlocked the mutex last.
  template <detail::guard_of_mutex Guard>
  detail::condition_wait<detail::notice_wait> wait(Guard& held) {
    return detail::condition_wait<detail::notice_wait>(core_of(held), *core_);
  }

  /// The same with a limit: for a time, or until a moment.
  ///
  /// Returns   whether there was a notice; false when the limit came first. The mutex is held, however long that takes.
  template <detail::guard_of_mutex Guard>
  detail::condition_wait<detail::timed_notice_wait> wait_for(Guard& held, deadline limit) {
    return detail::condition_wait<detail::timed_notice_wait>(core_of(held), *core_, limit.at());
  }
  template <detail::guard_of_mutex Guard>
  detail::condition_wait<detail::timed_notice_wait> wait_until(Guard& held, deadline limit) {
    return wait_for(held, limit);
  }

  /// Waits until `predicate()` holds; at once when it does. It is called with the mutex held, and may not wait in a
  /// coroutine.
  ///
  /// Throws    cancelled, with the mutex held; misuse; what the predicate throws.
  template <detail::guard_of_mutex Guard, std::predicate Predicate>
  detail::predicate_wait<Predicate, false> wait(Guard& held, Predicate predicate) {
    return {*this, mutex_of(held), deadline(), std::move(predicate)};
  }

  /// Returns   what the predicate says in the end: false when the limit came first and it does not hold.
  template <detail::guard_of_mutex Guard, std::predicate Predicate>
  detail::predicate_wait<Predicate, true> wait_for(Guard& held, deadline limit, Predicate predicate) {
    return {*this, mutex_of(held), limit, std::move(predicate)};
  }
  template <detail::guard_of_mutex Guard, std::predicate Predicate>
  detail::predicate_wait<Predicate, true> wait_until(Guard& held, deadline limit, Predicate predicate) {
    return wait_for(held, limit, std::move(predicate));
  }

 private:
  template <class Predicate, bool IsTimed>
  friend class detail::predicate_wait;

  template <class Guard>
  static mutex& mutex_of(const Guard& held) {
    if (!held.owns_lock()) [[unlikely]] {
      refuse_empty_guard();
    }
    return *held.mutex();
  }
  template <class Guard>
  static detail::mutex_core& core_of(const Guard& held) {
    return *mutex_of(held).core_;
  }
  [[noreturn]] static void refuse_empty_guard();

  detail::condition_wait<detail::notice_wait> wait_without_guard(mutex& held) {
    return detail::condition_wait<detail::notice_wait>(*held.core_, *core_);
  }
  detail::condition_wait<detail::timed_notice_wait> wait_without_guard(mutex& held, deadline limit) {
    return detail::condition_wait<detail::timed_notice_wait>(*held.core_, *core_, limit.at());
  }

  detail::core_slot<detail::condition_core> core_;
};

namespace detail {

template <class Predicate, bool IsTimed>
auto predicate_wait<Predicate, IsTimed>::loop(condition& of, mutex& held, deadline until, Predicate predicate)
    -> task<result_type> {
  refuse_if_cancelled();
  if constexpr (IsTimed) {
    while (!predicate()) {
      const bool in_time = co_await of.wait_without_guard(held, until);
      if (!in_time) {
        co_return predicate();
      }
    }
    co_return true;
  } else {
    while (!predicate()) {
      co_await of.wait_without_guard(held);
    }
  }
}

template <class Predicate, bool IsTimed>
auto predicate_wait<Predicate, IsTimed>::block() && -> result_type {
  refuse_if_cancelled();
  while (!predicate_()) {
    if constexpr (IsTimed) {
      if (!martlet::await(of_->wait_without_guard(*held_, until_))) {
        return predicate_();
      }
    } else {
      martlet::await(of_->wait_without_guard(*held_));
    }
  }
  if constexpr (IsTimed) {
    return true;
  }
}

}  // namespace detail

}  // namespace martlet
