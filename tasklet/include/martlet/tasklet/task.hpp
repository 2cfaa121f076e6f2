#pragma once

#include <coroutine>
#include <cstddef>
#include <utility>

#include <martlet/tasklet/frame.hpp>
#include <martlet/tasklet/outcome.hpp>
#include <martlet/tasklet/wait.hpp>

namespace martlet {

template <class T = void>
class task;

namespace detail {

/// Ends a root: tells its scope, its joiner or nobody. Nothing of the frame may be touched afterwards.
///
/// Takes     the error it ended with, null for none.
void finish_root(tasklet* who, const std::exception_ptr* error) noexcept;

/// What every task's promise does, whatever it returns.
struct task_promise_base {
  static void* operator new(std::size_t size) { return allocate_frame(size); }
  static void operator delete(void* frame, std::size_t size) noexcept { free_frame(frame, size); }

  std::suspend_always initial_suspend() const noexcept { return {}; }

  struct at_end {
    bool await_ready() const noexcept { return false; }

    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> handle) const noexcept {
      auto& promise = handle.promise();
      if (tasklet* root = promise.root(); root != &promise) {
        root->link_ = promise.link_;
        root->at()->transfer_ = static_cast<tasklet*>(promise.joiner_);
      } else {
        finish_root(&promise, promise.has_error() ? &promise.error() : nullptr);
      }
    }

    void await_resume() const noexcept {}
  };
  at_end final_suspend() const noexcept { return {}; }
};

template <class T>
struct task_promise final : outcome<T>, task_promise_base {
  task_promise() noexcept : outcome<T>(kind::coroutine) {}
  task<T> get_return_object() noexcept;
  void unhandled_exception() noexcept { this->set_error(std::current_exception()); }

  template <class U = T>
  void return_value(U&& value) {
    this->set_value(std::forward<U>(value));
  }
};

template <>
struct task_promise<void> final : outcome<void>, task_promise_base {
  task_promise() noexcept : outcome<void>(kind::coroutine) {}
  task<void> get_return_object() noexcept;
  void unhandled_exception() noexcept { this->set_error(std::current_exception()); }
  void return_void() const noexcept {}
};

[[noreturn]] void refuse_empty_task() noexcept;

/// Runs a task as a child of the tasklet that awaits it: no scheduling, two transfers.
template <class T>
class run_child final : public operation<run_child<T>> {
 public:
  using is_call = void;

  explicit run_child(task_promise<T>& child) noexcept : child_(&child) {}

  bool prepare(waiter who) noexcept {
    tasklet* root = who.root;
    child_->joiner_ = who.leaf;
    child_->link_ = root->link_;
    child_->word_.store(reinterpret_cast<std::uintptr_t>(root) | tasklet::bits(tag::child), base::relaxed);
    root->link_ = reinterpret_cast<std::uintptr_t>(static_cast<tasklet*>(child_)) | 1;
    return true;
  }

  bool publish() noexcept {
    child_->root()->at()->transfer_ = child_;
    return true;
  }

  // The two above, which are for fibers, in one: a coroutine has its root at hand.
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> handle) noexcept {
    static_assert(record_of_promise<Promise>, "await this inside a martlet::task");
    const waiter who(&handle.promise());
    prepare(who);
    who.root->at()->transfer_ = child_;
  }

  T finish() { return child_->take(); }

 private:
  task_promise<T>* child_;
};

}  // namespace detail

/// A stackless tasklet, or a part of one: a coroutine that starts when it is awaited or spawned.
///
/// Write one for whatever exists in large numbers: it weighs under two hundred bytes while it waits. Its body may wait
/// with co_await only; where a wait lies deep inside code that knows nothing of coroutines, spawn a function (a fiber)
/// instead.
///
/// ```cpp
/// martlet::task<int> twice(martlet::channel<int>& numbers) {
///   auto n = co_await numbers.receive();
///   co_return n ? 2 * *n : 0;
/// }
/// int four = co_await twice(numbers);         // as a part of this tasklet
/// auto later = martlet::spawn(twice(numbers));  // as a tasklet of its own
/// ```
///
/// `co_await` on a task suspends the caller and runs the task at once; the caller is resumed by the worker that ran the
/// task to its end. It gives what the task returned or throws what it threw.
///
/// Threads   a task may be made on one thread and spawned from another; it is used by one at a time.
/// Cost      a frame from the thread's free list; an await is two transfers; about 15 ns in all (Zen 4).
template <class T>
class [[nodiscard("a task runs when it is awaited or spawned")]] task {
 public:
  using promise_type = detail::task_promise<T>;
  using value_type = T;

  task() noexcept = default;
  explicit task(promise_type& promise) noexcept : promise_(&promise) {}
  task(task&& other) noexcept : promise_(std::exchange(other.promise_, nullptr)) {}
  task& operator=(task&& other) noexcept {
    task(std::move(other)).swap(*this);
    return *this;
  }
  ~task() {
    if (promise_ != nullptr) {
      promise_->destroy();
    }
  }

  void swap(task& other) noexcept { std::swap(promise_, other.promise_); }
  explicit operator bool() const noexcept { return promise_ != nullptr; }

  /// Runs the task as a part of the tasklet that awaits it. An awaited task is spent.
  auto operator co_await() && noexcept { return detail::run_child<T>(promise()); }

  /// Gives up the coroutine, for what spawns it.
  promise_type& release() noexcept {
    promise_type& released = promise();
    promise_ = nullptr;
    return released;
  }

 private:
  promise_type& promise() const noexcept {
    if (promise_ == nullptr) [[unlikely]] {
      detail::refuse_empty_task();
    }
    return *promise_;
  }

  promise_type* promise_ = nullptr;
};

namespace detail {

template <class T>
task<T> task_promise<T>::get_return_object() noexcept {
  return task<T>(*this);
}
inline task<void> task_promise<void>::get_return_object() noexcept { return task<void>(*this); }

}  // namespace detail

}  // namespace martlet
