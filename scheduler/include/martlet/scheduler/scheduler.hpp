#pragma once

#include <chrono>
#include <concepts>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include <martlet/base/clock.hpp>
#include <martlet/scheduler/options.hpp>
#include <martlet/scheduler/shutdown.hpp>
#include <martlet/scheduler/statistics.hpp>
#include <martlet/tasklet/await.hpp>
#include <martlet/tasklet/fiber.hpp>
#include <martlet/tasklet/handle.hpp>
#include <martlet/tasklet/task.hpp>

namespace martlet {

class scope;

namespace detail {

class run_queue;

template <class T>
inline constexpr bool is_task = false;
template <class T>
inline constexpr bool is_task<task<T>> = true;

/// Keeps a callable that returns a task alive for as long as the task: a lambda's captures lie in the lambda.
template <class F, class... Args>
auto call_as_task(F function, Args... args) -> std::invoke_result_t<F&, Args&...> {
  co_return co_await std::invoke(function, args...);
}

/// Reads how many workers MARTLET_WORKERS in the environment asks for.
///
/// Returns   0 when it is not set. Throws misuse when it is no count.
unsigned workers_from_environment();

/// Enters a new tasklet into `queue`, or into the scheduler that runs the caller when that is null; `owner` null: the
/// scheduler's own scope. Throws `misuse` when there is no scheduler.
void enter(run_queue* queue, scope_base* owner, tasklet* who, site where);

template <class T>
handle<T> enter_task(run_queue* queue, scope_base* owner, task<T>&& body, site where) {
  auto& promise = body.release();
  handle<T> result(promise);
  enter(queue, owner, &promise, where);
  return result;
}

template <class F>
auto enter_function(run_queue* queue, scope_base* owner, F&& function, const fiber_options& options, site where) {
  using stored = std::decay_t<F>;
  using result_type = std::invoke_result_t<stored&>;
  if constexpr (is_task<result_type>) {
    return enter_task(queue, owner, call_as_task<stored>(std::forward<F>(function)), where);
  } else {
    auto* frame = new fiber_frame<stored, result_type>(stored(std::forward<F>(function)), options);
    handle<result_type> result(frame->result());
    try {
      enter(queue, owner, &frame->result(), where);
    } catch (...) {
      frame->abandon();
      throw;
    }
    return result;
  }
}

}  // namespace detail

/// Runs tasklets on a thread per core.
///
/// Make one where the program begins and let it go last; several may live in one process, and their tasklets may share
/// channels.
///
/// ```cpp
/// martlet::scheduler pool;
/// auto answer = pool.spawn([] { return 6 * 7; });     // a function: a fiber with a stack of its own
/// int n = pool.block_on(std::move(answer));
/// ```
///
/// The destructor cancels every tasklet that is still there, waits until all have ended, and ends the threads. In a child
/// of fork it does nothing, and every call throws `misuse`: none of the threads are there. Make a new one in the child.
///
/// Threads   any, except that nobody may use it while it is being destroyed.
class scheduler {
 public:
  /// Throws    std::system_error when a thread cannot be started, misuse for impossible options.
  explicit scheduler(scheduler_options options = {});
  explicit scheduler(int workers) : scheduler(scheduler_options{.workers = workers}) {}
  ~scheduler();
  scheduler(const scheduler&) = delete;
  scheduler& operator=(const scheduler&) = delete;

  /// Starts a stackless tasklet.
  ///
  /// Returns   its handle, which may be dropped.
  /// Never suspends. Threads any; from one of its own workers it costs about 10 ns, from elsewhere a queue and a wake.
  template <class T>
  handle<T> spawn(task<T> body, site where = site::here()) {
    return detail::enter_task(queue_.get(), nullptr, std::move(body), where);
  }

  /// Starts a function as a stackful tasklet; one that returns a task starts that task, as a stackless one.
  ///
  /// Throws    std::system_error when there is no memory or no mapping left for its stack, std::bad_alloc,
  ///           misuse for a stack size that cannot be.
  template <class F>
    requires std::invocable<std::decay_t<F>&>
  auto spawn(F&& function, fiber_options options = {}, site where = site::here()) {
    return detail::enter_function(queue_.get(), nullptr, std::forward<F>(function), options, where);
  }

  /// Blocks the calling thread until the tasklet has ended.
  ///
  /// Returns   what it returned. Throws what it threw; misuse inside a tasklet.
  template <class T>
  T block_on(handle<T> child) {
    require_plain_thread("block_on");
    return martlet::await(child.join());
  }
  template <class T>
  T block_on(task<T> body, site where = site::here()) {
    return block_on(spawn(std::move(body), where));
  }

  /// Lends the calling thread: it runs tasklets as one more worker until this one has ended.
  ///
  /// Returns   what the tasklet returned. Throws what it threw; misuse when no more threads may be lent.
  template <class T>
  T run_here(handle<T> child) {
    run_until(detail::record_of(child));
    return martlet::await(child.join());
  }
  template <class T>
  T run_here(task<T> body, site where = site::here()) {
    return run_here(spawn(std::move(body), where));
  }

  /// Accepts nothing more from outside and cancels every tasklet; returns at once, while they end.
  ///
  /// From here on `spawn` throws `misuse`, but for that of its own tasklets, which may need children to clean up: these
  /// are cancelled from the beginning. Handles stay good. Calling it again does nothing.
  ///
  /// Throws    misuse in a child of fork.
  /// Threads   any; tasklets too.
  /// Cost      two membarriers (17 us each), and a walk over the frames of the process.
  void stop();

  /// Ends what it runs, with time to do so, and says what did not end.
  ///
  /// Accepts nothing more from outside. Then tasklets may end by themselves, and spawn others to do so, until the
  /// deadline; then all are cancelled, and those that let themselves be cancelled have `grace` to end. When nothing is left
  /// the threads end too. What is left is reported; the destructor waits for it. May be called again.
  ///
  /// ```cpp
  /// if (auto left = pool.shutdown(std::chrono::seconds(5)); !left.is_complete()) {
  ///   std::cerr << left.text();       // 2 running, spawned at src/render.cpp:81
  ///   std::_Exit(1);                  // or wait for them in the destructor
  /// }
  /// ```
  ///
  /// Takes     how long, or until when, tasklets may end by themselves; how long they may take after being cancelled.
  /// Throws    misuse on a thread that runs tasklets, and in a child of fork; std::bad_alloc.
  /// Threads   plain ones; between the polls of a guest its thread runs tasklets meanwhile.
  template <class Rep, class Period>
  shutdown_report shutdown(std::chrono::duration<Rep, Period> drain_for,
                           std::chrono::nanoseconds grace = std::chrono::seconds(1)) {
    return shutdown_until(base::after(base::now(), drain_for), grace);
  }
  shutdown_report shutdown(std::chrono::steady_clock::time_point deadline,
                           std::chrono::nanoseconds grace = std::chrono::seconds(1)) {
    return shutdown_until(std::chrono::duration_cast<std::chrono::nanoseconds>(deadline.time_since_epoch()).count(),
                          grace);
  }

  /// Returns   how many threads of its own it has.
  unsigned worker_count() const noexcept;

  /// Returns   what it has done so far.
  scheduler_statistics statistics() const noexcept;

  /// Returns   what its tasklets are entered into: for tasklets made elsewhere (`detail::enter`).
  detail::run_queue* queue() const noexcept { return queue_.get(); }

 private:
  friend class scope;

  void run_until(detail::tasklet* who);
  void require_plain_thread(const char* what) const;
  shutdown_report shutdown_until(base::instant deadline, std::chrono::nanoseconds grace);

  std::unique_ptr<detail::run_queue> queue_;
};

/// Starts a tasklet on the scheduler that runs the caller.
///
/// Throws    misuse on a thread that runs no tasklets.
template <class T>
handle<T> spawn(task<T> body, site where = site::here()) {
  return detail::enter_task(nullptr, nullptr, std::move(body), where);
}
template <class F>
  requires std::invocable<std::decay_t<F>&>
auto spawn(F&& function, fiber_options options = {}, site where = site::here()) {
  return detail::enter_function(nullptr, nullptr, std::forward<F>(function), options, where);
}

}  // namespace martlet
