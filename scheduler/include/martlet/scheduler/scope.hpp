#pragma once

#include <cstddef>
#include <exception>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <martlet/scheduler/scheduler.hpp>

namespace martlet {

/// Several children of one scope failed; what each threw is kept.
class scope_failed : public std::exception {
 public:
  explicit scope_failed(std::vector<std::exception_ptr> errors);

  const char* what() const noexcept override { return text_.c_str(); }

  /// Returns   at least two, in the order in which they happened.
  const std::vector<std::exception_ptr>& errors() const noexcept { return errors_; }

 private:
  std::vector<std::exception_ptr> errors_;
  std::string text_;
};

class scope;

namespace detail {

/// Waits until a scope has no children. Not ended by a cancel, but it may return early: ask again.
class [[nodiscard("await it")]] scope_wait final : public operation<scope_wait> {
 public:
  explicit scope_wait(scope& of) noexcept : scope_(&of) {}

  bool prepare(waiter who) noexcept;
  bool publish() noexcept;
  void finish() noexcept;

 private:
  scope* scope_;
  wait_node node_;
};

}  // namespace detail

/// Owns the tasklets that are spawned in it: none outlives it.
///
/// A coroutine gets one from `in_scope` (a destructor cannot await). In a fiber or on a plain thread it is an object,
/// whose `join` waits; its destructor waits too. The failure of a child is the scope's, whether or not somebody also
/// joins that child.
///
/// ```cpp
/// martlet::scope both(pool);
/// both.spawn(fetch(a));
/// both.spawn(fetch(b));
/// both.join();
/// ```
///
/// Threads   `spawn` and `size` any, while the scope lives.
class scope final : private detail::scope_base, private detail::wait_core {
 public:
  /// Makes a scope whose children run on the scheduler that runs the caller.
  scope() noexcept = default;
  /// Makes one for a plain thread.
  explicit scope(scheduler& pool) noexcept : queue_(pool.queue_.get()) {}
  scope(const scope&) = delete;
  scope& operator=(const scope&) = delete;

  /// Waits for the children. Errors that no `join` has thrown go to stderr.
  ~scope();

  /// Starts a child. As `scheduler::spawn`.
  template <class T>
  handle<T> spawn(task<T> body, site where = site::here()) {
    return detail::enter_task(queue_, this, std::move(body), where);
  }
  template <class F>
    requires std::invocable<std::decay_t<F>&>
  auto spawn(F&& function, fiber_options options = {}, site where = site::here()) {
    return detail::enter_function(queue_, this, std::forward<F>(function), options, where);
  }

  /// Waits until all children have ended. For fibers and threads.
  ///
  /// Throws    the error of the child that failed; scope_failed when several did.
  void join();

  /// Returns   how many children have not ended.
  std::size_t size() noexcept;

 private:
  friend class detail::scope_wait;
  template <class F>
  friend auto in_scope(F body) -> std::invoke_result_t<F&, scope&>;

  void child_began() noexcept override;
  void child_failed(std::exception_ptr failure, bool detached, site where) noexcept override;
  void child_ended(detail::host& here) noexcept override;
  void throw_errors(std::exception_ptr of_the_body);

  detail::run_queue* queue_ = nullptr;
  std::size_t open_ = 0;  // under the lock, as all below
  detail::wait_node* waiter_ = nullptr;
  std::vector<std::exception_ptr> errors_;
};

/// Runs `body` with a scope of its own and goes on when the body and every tasklet spawned in the scope have ended.
///
/// ```cpp
/// co_await martlet::in_scope([&](martlet::scope& s) -> martlet::task<> {
///   s.spawn(fetch(a));
///   s.spawn(fetch(b));
///   co_return;
/// });                                         // both have ended here
/// ```
///
/// Takes     a callable that takes the scope and returns a task; it is kept until the end.
/// Returns   what the body returned.
/// Throws    the one error of body and children, or scope_failed with all of them.
/// Suspends  until all have ended, also when it is cancelled; resumed by any worker.
template <class F>
auto in_scope(F body) -> std::invoke_result_t<F&, scope&> {
  using result_type = typename std::invoke_result_t<F&, scope&>::value_type;
  scope children;
  std::exception_ptr error;
  if constexpr (std::is_void_v<result_type>) {
    try {
      co_await std::invoke(body, children);
    } catch (...) {
      error = std::current_exception();
    }
    while (children.size() != 0) {
      co_await detail::scope_wait(children);
    }
    children.throw_errors(std::move(error));
  } else {
    std::optional<result_type> result;
    try {
      result.emplace(co_await std::invoke(body, children));
    } catch (...) {
      error = std::current_exception();
    }
    while (children.size() != 0) {
      co_await detail::scope_wait(children);
    }
    children.throw_errors(std::move(error));
    co_return std::move(*result);
  }
}

}  // namespace martlet
