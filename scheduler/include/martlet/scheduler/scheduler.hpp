#pragma once

#include <chrono>
#include <concepts>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include <martlet/scheduler/deadline.hpp>
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
/// scheduler's own scope. Throws `misuse` when there is no scheduler, overloaded.
void enter(run_queue* queue, scope_base* owner, tasklet* who, site where);

/// Takes a place for one more tasklet in `queue`, null as for `enter`.
///
/// Returns   the scheduler, whose `enter_admitted` or `give_back_place` has to follow, and `end_admission` in the end; null
///           when it turns work away.
run_queue* try_to_admit(run_queue* queue);
void enter_admitted(run_queue& queue, scope_base* owner, tasklet* who, site where);
void give_back_place(run_queue& queue) noexcept;
void end_admission(run_queue& queue) noexcept;

/// How a spawn enters what it has made: `enter` or `enter_admitted`, with the rest bound.
template <class T, class Enter>
handle<T> enter_task(task<T>&& body, Enter into) {
  auto& promise = body.release();
  handle<T> result(promise);
  into(&promise);
  return result;
}

template <class F, class Enter>
auto enter_function(F&& function, const fiber_options& options, Enter into) {
  using stored = std::decay_t<F>;
  using result_type = std::invoke_result_t<stored&>;
  if constexpr (is_task<result_type>) {
    return enter_task(call_as_task<stored>(std::forward<F>(function)), into);
  } else {
    auto* frame = new fiber_frame<stored, result_type>(stored(std::forward<F>(function)), options);
    handle<result_type> result(frame->result());
    try {
      into(&frame->result());
    } catch (...) {
      frame->abandon();
      throw;
    }
    return result;
  }
}

/// What all spawns are: where to, and as whose child.
struct spawner {
  run_queue* queue;
  scope_base* owner;
  site where;

  void operator()(tasklet* who) const { enter(queue, owner, who, where); }

  template <class T>
  handle<T> spawn(task<T>&& body) const {
    return enter_task(std::move(body), *this);
  }
  template <class F>
  auto spawn(F&& function, const fiber_options& options) const {
    return enter_function(std::forward<F>(function), options, *this);
  }

  template <class T>
  std::optional<handle<T>> try_spawn(task<T>& body) const {
    return try_with([&](auto into) { return enter_task(std::move(body), into); });
  }
  template <class F>
  auto try_spawn(F& function, const fiber_options& options) const {
    return try_with([&](auto into) { return enter_function(std::move(function), options, into); });
  }

 private:
  // Who has a place enters, or gives the place back.
  template <class Make>
  auto try_with(Make make) const {
    run_queue* into = try_to_admit(queue);
    using result_type = decltype(make([](tasklet*) {}));
    if (into == nullptr) {
      return std::optional<result_type>();
    }
    bool has_entered = false;
    std::optional<result_type> result;
    try {
      result.emplace(make([&](tasklet* who) {
        has_entered = true;
        enter_admitted(*into, owner, who, where);
      }));
    } catch (...) {
      if (!has_entered) {
        give_back_place(*into);
      }
      end_admission(*into);
      throw;
    }
    end_admission(*into);
    return result;
  }
};

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
/// of fork it does nothing, and every call but `worker_count` and `statistics` throws `misuse`: none of the threads are
/// there. Make a new one in the child. A tasklet of its own must not destroy it: the program is stopped with a sentence.
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
    return detail::spawner{queue_.get(), nullptr, where}.spawn(std::move(body));
  }

  /// Starts a function as a stackful tasklet; one that returns a task starts that task, as a stackless one.
  ///
  /// Throws    std::system_error when there is no memory or no mapping left for its stack, std::bad_alloc,
  ///           misuse for a stack size that cannot be.
  template <class F>
    requires std::invocable<std::decay_t<F>&>
  auto spawn(F&& function, fiber_options options = {}, site where = site::here()) {
    return detail::spawner{queue_.get(), nullptr, where}.spawn(std::forward<F>(function), options);
  }

  /// Starts a tasklet if the scheduler has room for it: fewer than `scheduler_options::most_tasklets`, and what is queued
  /// waits for no longer than `longest_queue_wait`. For where work comes in, to turn it away early.
  ///
  /// Returns   its handle; nothing when it was turned away, and then `body` or `function` is untouched.
  /// Throws    as `spawn`, but not overloaded.
  /// Cost      as `spawn`, and with a limit on the wait about 10 ns for each worker.
  template <class T>
  std::optional<handle<T>> try_spawn(task<T>& body, site where = site::here()) {
    return detail::spawner{queue_.get(), nullptr, where}.try_spawn(body);
  }
  template <class F>
    requires std::invocable<F&>
  auto try_spawn(F& function, fiber_options options = {}, site where = site::here()) {
    return detail::spawner{queue_.get(), nullptr, where}.try_spawn(function, options);
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
  /// Throws    misuse on a thread that runs tasklets, and in a child of fork; std::bad_alloc; std::system_error when what a
  ///           lent thread left behind needs a thread and none can be started.
  /// Threads   plain ones, several at once: each waits for its own deadline; between the polls of a guest its thread runs
  ///           tasklets meanwhile.
  shutdown_report shutdown(deadline drain_until, std::chrono::nanoseconds grace = std::chrono::seconds(1));

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

  std::unique_ptr<detail::run_queue> queue_;
};

/// Starts a tasklet on the scheduler that runs the caller.
///
/// Throws    misuse on a thread that runs no tasklets.
template <class T>
handle<T> spawn(task<T> body, site where = site::here()) {
  return detail::spawner{nullptr, nullptr, where}.spawn(std::move(body));
}
template <class F>
  requires std::invocable<std::decay_t<F>&>
auto spawn(F&& function, fiber_options options = {}, site where = site::here()) {
  return detail::spawner{nullptr, nullptr, where}.spawn(std::forward<F>(function), options);
}

/// Starts a tasklet on the scheduler that runs the caller, if that has room. As `scheduler::try_spawn`.
template <class T>
std::optional<handle<T>> try_spawn(task<T>& body, site where = site::here()) {
  return detail::spawner{nullptr, nullptr, where}.try_spawn(body);
}
template <class F>
  requires std::invocable<F&>
auto try_spawn(F& function, fiber_options options = {}, site where = site::here()) {
  return detail::spawner{nullptr, nullptr, where}.try_spawn(function, options);
}

}  // namespace martlet
