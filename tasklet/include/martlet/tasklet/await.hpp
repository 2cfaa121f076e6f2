#pragma once

#include <concepts>
#include <type_traits>
#include <utility>

#include <martlet/base/futex.hpp>
#include <martlet/tasklet/fiber.hpp>
#include <martlet/tasklet/handle.hpp>
#include <martlet/tasklet/host.hpp>
#include <martlet/tasklet/task.hpp>
#include <martlet/tasklet/wait.hpp>

namespace martlet {

namespace detail {

template <class Op>
concept waitable = requires(Op& op, waiter who) {
  { op.prepare(who) } -> std::convertible_to<bool>;
  { op.publish() } -> std::convertible_to<bool>;
  op.finish();
};

template <class Op>
concept is_yield = requires { typename std::remove_reference_t<Op>::is_yield; };

template <class Op>
inline constexpr bool yields_first = false;
template <class Op>
  requires requires { Op::yields_first; }
inline constexpr bool yields_first<Op> = Op::yields_first;

/// Something that waits more than once: a coroutine awaits it as a task, in a fiber or on a thread its `block` waits.
template <class Op>
concept blocks_by_itself = requires(Op&& op) { std::forward<Op>(op).block(); };

/// Stops the program where `martlet::await` would hold up a worker: inside a coroutine.
void require_blocking_context() noexcept;

/// Stands for a thread that is no worker while it waits: a frame whose resume sets a flag and wakes the thread.
struct thread_waiter {
  thread_waiter() noexcept;

  /// Sleeps until it is made ready, or until `deadline_`.
  ///
  /// Returns   false when the deadline came first; the wait is then still to be claimed.
  bool sleep() noexcept;

  static thread_waiter& of(tasklet* record) noexcept { return *static_cast<thread_waiter*>(record->frame()); }

  void (*resume_)(void*);
  void (*destroy_)(void*) = nullptr;
  tasklet record_;
  base::futex_word flag_{0};
  base::instant deadline_ = base::never;  // a timer case of the operation puts its time here
  wait_node* timer_ = nullptr;            // and its node, which is completed when the time comes
  bool is_endless_ = false;               // nobody can ever wake it: it was cancelled
};

/// Claims a thread's own wait for the timer whose time has come; false when another wake-up was first.
bool claim_timer(thread_waiter& self) noexcept;

/// Stops the program: a coroutine called `await`.
[[noreturn]] void refuse_await_in_coroutine() noexcept;

/// Throws `misuse` on a plain thread, which has no worker that could run a task.
void require_fiber();

void sleep_on_thread(thread_waiter& self) noexcept;

/// Throws `misuse`, for the only thread of a child of fork waited for what only the parent has; `deadlock` in a simulation.
[[noreturn]] void refuse_endless_wait();

// The waiter lives until `finish` has taken back what other cases of a select have entered.
template <class Op>
[[gnu::noinline]] auto wait_on_thread(Op& op) -> decltype(op.finish()) {
  thread_waiter self;
  if (op.prepare(&self.record_) && op.publish()) {
    sleep_on_thread(self);
    if (self.is_endless_) [[unlikely]] {
      try {
        static_cast<void>(op.finish());
      } catch (const cancelled&) {  // the wait has been taken back
      }
      refuse_endless_wait();
    }
  }
  return op.finish();
}

template <class Op>
void wait_in_fiber(host* here, Op& op) {
  const waiter self(here->current_.load(base::relaxed));
  look_for_held_locks<Op>(self);
  if constexpr (yields_first<Op>) {
    if (--here->budget_ < 0) {
      yield_fiber(*here);
      here = self.root->at();
    }
    if (op.prepare(self)) {
      leave_fiber(*here, &op, [](void* operation) { return static_cast<Op*>(operation)->publish(); });
    }
    return;
  }
  if (!op.prepare(self)) {
    if (--here->budget_ < 0) {
      yield_fiber(*here);
    }
    return;
  }
  if constexpr (is_yield<Op>) {
    yield_fiber(*here);
  } else {
    leave_fiber(*here, &op, [](void* operation) { return static_cast<Op*>(operation)->publish(); });
  }
}

}  // namespace detail

/// Waits for an operation, where no `co_await` is possible: in a fiber or on a plain thread.
///
/// In a fiber the worker goes on with other tasklets meanwhile; a plain thread sleeps. Inside a coroutine it would hold
/// up the worker and is refused: use `co_await`.
///
/// Takes     any operation of martlet, a task (which runs as a part of this fiber) or a handle (which is joined).
/// Returns   what the operation gives.
/// Throws    what it throws.
/// Suspends  the fiber, which goes on on any worker, or the thread.
/// Threads   any.
template <class Op>
  requires detail::waitable<std::remove_reference_t<Op>>
auto await(Op&& op) -> decltype(op.finish()) {
  detail::host* here = detail::current_host();
  if (here == nullptr) {
    if constexpr (detail::is_yield<Op>) {
      return;
    } else {
      return detail::wait_on_thread(op);
    }
  }
  if (here->fiber_ == nullptr) [[unlikely]] {
    detail::refuse_await_in_coroutine();
  }
  detail::wait_in_fiber(here, op);
  return op.finish();
}

/// Waits for something that waits more than once, as `condition::wait` with a predicate does.
template <class Op>
  requires detail::blocks_by_itself<Op&&>
decltype(auto) await(Op&& op) {
  detail::require_blocking_context();
  return std::forward<Op>(op).block();
}

/// Joins the handle's tasklet.
template <class T>
T await(handle<T>&& child) {
  return martlet::await(child.join());
}

/// Runs a task as a part of this fiber.
template <class T>
T await(task<T>&& part) {
  detail::require_fiber();
  return martlet::await(std::move(part).operator co_await());
}

}  // namespace martlet
