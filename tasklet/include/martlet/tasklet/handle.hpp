#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include <martlet/tasklet/case_operation.hpp>
#include <martlet/tasklet/outcome.hpp>
#include <martlet/tasklet/this_tasklet.hpp>
#include <martlet/tasklet/wait.hpp>

namespace martlet {

template <class T = void>
class handle;

/// What a spawned tasklet is doing.
enum class status : std::uint8_t { queued, running, blocked, done, failed };

namespace detail {

/// Returns   what `who`, a spawned root, is doing. Never blocks.
status status_of(const tasklet& who) noexcept;

inline bool has_ended(const tasklet& who) noexcept {
  const auto now = tasklet::tag_of(who.word_.load(base::acquire));  // [word.finish]
  return now == tag::done || now == tag::failed;
}

/// Returns   whether somebody waits in a join of `who`, or is past that wait and did not have its turn yet.
inline bool is_being_joined(const tasklet& who) noexcept { return who.joiner_ != nullptr && who.joiner_ != &who; }

/// Gives up the right to join: the tasklet frees itself when it ends, or is freed here when it has ended.
///
/// Takes     how to find the error that it may owe: then nobody would hear of it, so the scheduler is told.
void detach_slowly(tasklet* who, const std::exception_ptr& (*error_of)(tasklet&)) noexcept;
inline void detach(tasklet* who, const std::exception_ptr& (*error_of)(tasklet&)) noexcept {
  if (has_ended(*who) && !who->owes_error_ && !is_being_joined(*who)) [[likely]] {
    who->destroy();
  } else {
    detach_slowly(who, error_of);
  }
}

[[noreturn]] void refuse_second_join(const tasklet& who) noexcept;
[[noreturn]] void refuse_join_of_itself() noexcept;
[[noreturn]] void refuse_empty_handle() noexcept;

/// Throws `misuse` when the result of `who` was taken before, or `who` stayed in the parent of a forked process
/// (frame_pool::abandon): then it has itself for a joiner.
[[noreturn]] void refuse_join(const tasklet& who);
inline void require_joinable(const tasklet& who) {
  if (who.joiner_ == &who) [[unlikely]] {
    refuse_join(who);
  }
}

/// Waits for the end of a tasklet, whose record is the core.
template <class Derived>
class wait_for_end : public case_operation<Derived> {
 public:
  explicit wait_for_end(tasklet& child) noexcept : child_(&child) {}

  bool prepare(waiter who) {
    if (who.root == child_) [[unlikely]] {
      refuse_join_of_itself();
    }
    return case_operation<Derived>::prepare(who);
  }

  wait_core& core() noexcept { return *child_; }
  bool try_now(tasklet*&) noexcept {
    const auto now = tasklet::tag_of(child_->word_.load(base::relaxed));  // under the lock that finishes
    return now == tag::done || now == tag::failed;
  }
  void link() noexcept {
    if (child_->joiner_ != nullptr) {
      refuse_second_join(*child_);
    }
    child_->joiner_ = static_cast<wait_node*>(this);
    this->next = this;
  }
  void unlink() noexcept {
    child_->joiner_ = nullptr;
    this->next = nullptr;
  }

 protected:
  tasklet* child_;
};

/// `handle::join()`.
template <class T>
class [[nodiscard("await it")]] join_operation final : public wait_for_end<join_operation<T>> {
 public:
  explicit join_operation(outcome<T>& child) noexcept : wait_for_end<join_operation<T>>(child) {}

  bool try_now(tasklet*& wake) noexcept {
    if (!wait_for_end<join_operation<T>>::try_now(wake)) {
      return false;
    }
    if (this->child_->joiner_ != nullptr) [[unlikely]] {
      refuse_second_join(*this->child_);
    }
    // Who joins may be put behind the others before it takes the result, and until then the handle has to stay.
    this->child_->joiner_ = static_cast<wait_node*>(this);
    return true;
  }

  T result() {
    this->child_->joiner_ = this->child_;
    return static_cast<outcome<T>*>(this->child_)->take();
  }
};

/// Waits for the end and leaves the result where it is.
class end_operation final : public wait_for_end<end_operation> {
 public:
  using wait_for_end::wait_for_end;
  void result() noexcept { this->child_->joiner_ = nullptr; }
};

template <class T>
tasklet* record_of(const handle<T>& of) noexcept;

}  // namespace detail

/// What a spawn gives back: the right to ask about a tasklet, to wait for it and to stop it.
///
/// Dropping a handle does not stop the tasklet, it only gives up its result: its owner (the scope, or the scheduler)
/// still waits for it, and an error that nobody can join any more is reported. A handle that is dropped while a join of it
/// is going on stops the program.
///
/// ```cpp
/// martlet::handle<int> sum = pool.spawn(add(1, 2));
/// if (sum.state() == martlet::status::blocked) { ... }   // never waits
/// int three = co_await sum.join();
/// ```
///
/// Threads   one at a time; `state` any.
template <class T>
class handle {
 public:
  handle() noexcept = default;
  explicit handle(detail::outcome<T>& child) noexcept : child_(&child) {}
  handle(handle&& other) noexcept : child_(std::exchange(other.child_, nullptr)) {}
  handle& operator=(handle&& other) noexcept {
    handle(std::move(other)).swap(*this);
    return *this;
  }
  ~handle() {
    if (child_ != nullptr) {
      detail::detach(child_, [](detail::tasklet& who) -> const std::exception_ptr& {
        return static_cast<detail::outcome<T>&>(who).error();
      });
    }
  }

  void swap(handle& other) noexcept { std::swap(child_, other.child_); }
  explicit operator bool() const noexcept { return child_ != nullptr; }

  /// Tells what the tasklet is doing, at some moment during the call.
  ///
  /// Threads   any. Never suspends. Cost two loads.
  status state() const noexcept { return detail::status_of(child()); }

  /// Waits until the tasklet has ended. Join a tasklet once: its value is moved out.
  ///
  /// Returns   what it returned.
  /// Throws    what it threw; `cancelled` when the waiting tasklet was cancelled first; misuse at once when it was joined
  ///           before, or stayed in the parent of a forked process.
  /// Suspends  until the end; resumed by the worker that ran the tasklet.
  detail::join_operation<T> join() {
    detail::require_joinable(child());
    return detail::join_operation<T>(child());
  }

  auto operator co_await() && { return join(); }

  /// Asks the tasklet to stop: the wait it is in, and every later one, throws `cancelled`. Does not wait.
  ///
  /// Threads   any. Cost a lock while it waits, 17 us (a membarrier) while it runs.
  void cancel() noexcept { detail::request_cancel(&child()); }

  /// Returns   where it was spawned.
  site spawned_at() const noexcept { return child().site_; }

  /// Returns   what tells it apart from others that live.
  tasklet_id id() const noexcept { return tasklet_id(&child()); }

  /// Returns   the name that it has given itself, "" for none and after its end. Threads any.
  std::string name() const { return detail::name_of(child()); }

 private:
  friend detail::tasklet* detail::record_of<T>(const handle& of) noexcept;

  detail::outcome<T>& child() const noexcept {
    if (child_ == nullptr) [[unlikely]] {
      detail::refuse_empty_handle();
    }
    return *child_;
  }

  detail::outcome<T>* child_ = nullptr;
};

namespace detail {

/// Returns   the record behind a handle, for the scheduler.
template <class T>
tasklet* record_of(const handle<T>& of) noexcept {
  return of.child_;
}

}  // namespace detail

}  // namespace martlet
