#pragma once

#include <concepts>
#include <exception>
#include <functional>
#include <type_traits>
#include <utility>

#include <martlet/tasklet/await.hpp>
#include <martlet/tasklet/case_operation.hpp>
#include <martlet/tasklet/kept_result.hpp>
#include <martlet/tasklet/task.hpp>

namespace martlet {

namespace detail {

class side_pool;

/// A call that waits for a thread of a side pool, or runs on one: a wait in that pool's queue.
struct blocking_call : wait_node {
  using runner = void(blocking_call&) noexcept;

  explicit blocking_call(runner* how) noexcept : run(how) {}
  blocking_call(const blocking_call& other) noexcept : run(other.run) {}  // before it has begun
  blocking_call& operator=(const blocking_call&) = delete;
  ~blocking_call() = default;

  /// Returns   the core of the pool that belongs to the scheduler which runs the caller; it stays that one.
  wait_core& core() noexcept;

  /// A plain thread has nobody to go on meanwhile: it makes the call itself, when it is asked for the result.
  bool try_now(tasklet*&) const noexcept { return pool == nullptr; }
  void link() noexcept;
  void unlink() noexcept;

  /// Lets go of the core and sees to it that a thread comes, which may have to be woken or started: not under the lock.
  bool publish() noexcept;

  struct summons {
    void operator()() const noexcept;
    side_pool* from;
  };
  summons after_publish() const noexcept { return {pool}; }

  runner* run;
  side_pool* pool = nullptr;  // null on a plain thread
  std::exception_ptr error;   // what the function threw, or why there was no thread for it
  wait_core own;              // what a plain thread locks, so that a select has something to lock; nobody waits there
};

/// `blocking`.
template <class F>
class [[nodiscard("await it")]] blocking_operation final : public case_operation<blocking_operation<F>, blocking_call> {
 public:
  using result_type = std::invoke_result_t<F>;

  explicit blocking_operation(F&& function) noexcept(std::is_nothrow_move_constructible_v<F>)
      : case_operation<blocking_operation, blocking_call>(run_me), function_(std::move(function)) {}
  blocking_operation(blocking_operation&& other) noexcept(std::is_nothrow_move_constructible_v<F>)
      : case_operation<blocking_operation, blocking_call>(std::move(other)), function_(std::move(other.function_)) {}
  ~blocking_operation() = default;

  bool publish() noexcept { return blocking_call::publish(); }

  result_type result() {
    if (this->pool == nullptr) {
      return std::invoke(std::move(function_));
    }
    if (this->error != nullptr) {
      std::rethrow_exception(std::exchange(this->error, nullptr));
    }
    return value_.take();
  }

 private:
  static void run(blocking_call& call) noexcept {
    auto& self = static_cast<blocking_operation&>(call);
    try {
      if constexpr (std::is_void_v<result_type>) {
        std::invoke(std::move(self.function_));
      } else {
        self.value_.keep(std::invoke(std::move(self.function_)));
      }
    } catch (...) {
      self.error = std::current_exception();
    }
  }
  static inline blocking_call::runner* run_me = &run;

  F function_;
  kept_result<result_type> value_;
};

// g++ 12 copies a lambda that is written inside a co_await expression bit by bit, and destroys its captures twice. A lambda
// with captures is what cannot be made without an argument; where it was written nothing tells.
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13
template <class F>
inline constexpr bool is_destroyed_once =
    std::is_lvalue_reference_v<F> || std::is_trivially_destructible_v<F> || std::is_default_constructible_v<F>;
#else
template <class F>
inline constexpr bool is_destroyed_once = true;
#endif

template <class T>
inline constexpr bool is_lazy = false;
template <class T>
inline constexpr bool is_lazy<task<T>> = true;

}  // namespace detail

/// Calls a function that blocks, on a thread of the scheduler's side pool, while the workers go on.
///
/// Use it for system calls that wait (files, a resolver, a database's library), for locks of others, and for what
/// computes for long, a parallel loop of oneTBB included. Not for what martlet can wait for itself: a tasklet that sleeps
/// or receives needs no thread.
///
/// ```cpp
/// std::string text = co_await martlet::blocking([&] { return read_whole_file(path); });      // in a coroutine
/// std::string text = martlet::await(martlet::blocking([&] { return read_whole_file(path); }));   // in a fiber
/// ```
///
/// The pool has `scheduler_options::blocking_threads` threads at most; what finds none free waits, first come, first
/// served. While it waits it can be cancelled, time out (`within`) or lose a `select`, and is then never called. What has
/// been started runs to its end, and the tasklet waits for it: references to its locals stay good, and its result counts,
/// whatever has come meanwhile. The function is no tasklet: `martlet::await` in it blocks its thread, and `spawn` needs the
/// scheduler's. On a plain thread nothing waits: the thread makes the call itself.
///
/// Takes     a function without parameters, which is called once. A lambda may capture by reference. g++ 12 refuses one that
///           has captured by value what has a destructor, unless it has a name: pass that, or `std::ref` of it.
/// Returns   what the function returns: a value, a reference or nothing.
/// Throws    what the function throws; cancelled; std::system_error when there is no thread and none can be started.
/// Suspends  until the function has returned; resumed by any worker.
/// Cost      two hand-overs between threads, about 10 us; more when a thread has to be woken or started.
template <class F>
  requires std::invocable<std::decay_t<F>>
auto blocking(F&& function) {
  static_assert(!detail::is_lazy<std::invoke_result_t<std::decay_t<F>>>,
                "blocking calls an ordinary function: a task would come back without having run; await it instead");
  static_assert(
      detail::is_destroyed_once<F>,
      "g++ 12 destroys what such a lambda has captured twice when it stands inside a co_await expression: capture "
      "by reference, which is safe here, or give it a name first, auto f = [...]; and pass that, or std::ref(f)");
  return detail::blocking_operation<std::decay_t<F>>(std::decay_t<F>(std::forward<F>(function)));
}

}  // namespace martlet
