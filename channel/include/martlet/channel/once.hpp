#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <mutex>
#include <type_traits>
#include <utility>

#include <martlet/channel/owner.hpp>
#include <martlet/channel/woken.hpp>
#include <martlet/tasklet/await.hpp>
#include <martlet/tasklet/case_operation.hpp>
#include <martlet/tasklet/core_slot.hpp>
#include <martlet/tasklet/task.hpp>

namespace martlet {

namespace detail {

/// What a once is made of.
///
/// Invariants, under the lock: I1 nobody who still waits is in `callers` while nobody calls; I2 nobody who still waits is
/// there at all once it is done.
struct once_core : wait_core {
  once_core() noexcept : wait_core(keep_lock{}, kind::once) {}

  /// Says how the call of the present caller ended; the next one calls when it failed.
  void end_call(bool succeeded) noexcept;

  word_of_slot word;
  const void* caller = nullptr;       // who calls now
  base::atomic<bool> is_done{false};  // written under the lock
  wait_list callers;                  // who would call
  wait_list watchers;                 // who only waits
};

/// Asks for the right to call: gives true to who has to call, false once it is done.
class [[nodiscard("await it")]] once_entry final : public case_operation<once_entry> {
 public:
  explicit once_entry(once_core& of) noexcept : of_(&of) {}

  wait_core& core() noexcept { return *of_; }
  bool try_now(tasklet*& nobody) noexcept;
  void link() noexcept { of_->callers.push_back(*this); }
  void unlink() noexcept { wait_list::unlink(*this); }
  bool result() const;

 private:
  friend struct once_core;

  once_core* of_;
  const void* self_ = nullptr;  // who would call
  bool calls_ = false;
  bool is_nested_ = false;  // it calls already
};

/// `once::wait`.
class [[nodiscard("await it")]] once_wait final : public case_operation<once_wait> {
 public:
  explicit once_wait(once_core& of) noexcept : of_(&of) {}

  wait_core& core() noexcept { return *of_; }
  bool try_now(tasklet*&) noexcept { return of_->is_done.load(base::relaxed); }  // under the lock
  void link() noexcept { of_->watchers.push_back(*this); }
  void unlink() noexcept { wait_list::unlink(*this); }
  void result() const noexcept {}

 private:
  once_core* of_;
};

template <class T>
inline constexpr bool is_a_task = false;
template <class T>
inline constexpr bool is_a_task<task<T>> = true;

template <class F>
concept makes_task = std::invocable<F&> && is_a_task<std::invoke_result_t<F&>>;

/// Ends a call as failed, unless it was said to have succeeded.
class once_call {
 public:
  explicit once_call(once_core& of) noexcept : of_(of) {}
  once_call(const once_call&) = delete;
  once_call& operator=(const once_call&) = delete;
  ~once_call() { of_.end_call(succeeded_); }

  void succeed() noexcept { succeeded_ = true; }

 private:
  once_core& of_;
  bool succeeded_ = false;
};

}  // namespace detail

/// Does something once, however many ask for it.
///
/// The first to call does it, the others wait and then see what it did. When it throws, that caller gets the exception,
/// and the next one tries. What is called may wait.
///
/// ```cpp
/// martlet::once opened;
/// co_await opened.call([&]() -> martlet::task<> { file = co_await open(); });   // in a coroutine
/// opened.call([&] { file = open_blocking(); });                                 // in a fiber, on a thread
/// ```
///
/// Destroy it when nobody calls and nobody waits; otherwise the program is stopped.
///
/// Threads   any.
class once {
 public:
  /// Throws    std::bad_alloc.
  once() = default;
  once(const once&) = delete;
  once& operator=(const once&) = delete;
  ~once();

  /// Calls `function`, which returns a task, and runs that, unless it was done already.
  ///
  /// Returns   a task, to be awaited; it is ready when it was done, by this caller or another.
  /// Throws    what the function throws; cancelled; misuse when the function itself calls this once again.
  /// Suspends  while another calls, and as the function does.
  template <detail::makes_task F>
  task<> call(F function) {
    const bool calls = co_await detail::once_entry(*core_);
    if (calls) {
      detail::once_call now(*core_);
      co_await std::invoke(function);
      now.succeed();
    }
  }

  /// Calls `function` unless it was done already. For fibers and threads; in a coroutine it stops the program.
  template <class F>
    requires(std::invocable<F&> && !detail::makes_task<F>)
  void call(F&& function) {
    if (martlet::await(detail::once_entry(*core_))) {
      run(function);
    }
  }

  /// Calls `function` unless it was done already or another calls it just now. Never suspends by itself.
  ///
  /// Returns   whether it is done. Throws what the function throws.
  template <class F>
    requires(std::invocable<F&> && !detail::makes_task<F>)
  bool try_call(F&& function) {
    if (try_enter()) {
      run(function);
    }
    return is_done();
  }

  /// Waits until somebody has done it, without doing it.
  ///
  /// Throws    cancelled.
  /// Suspends  until then; resumed by the worker of whoever did it.
  detail::once_wait wait() noexcept { return detail::once_wait(*core_); }

  /// Returns   whether it was done; then everything that it wrote is seen. Cost a load.
  bool is_done() const noexcept { return core_->is_done.load(base::acquire); }  // [once.done]

 private:
  template <class F>
  void run(F& function) {
    detail::once_call now(*core_);
    std::invoke(function);
    now.succeed();
  }
  bool try_enter();

  detail::core_slot<detail::once_core> core_;
};

}  // namespace martlet
