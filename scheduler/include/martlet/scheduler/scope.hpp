#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <martlet/scheduler/deadline.hpp>
#include <martlet/scheduler/roster.hpp>
#include <martlet/scheduler/scheduler.hpp>
#include <martlet/tasklet/failure.hpp>
#include <martlet/tasklet/kept_result.hpp>

namespace martlet {

/// Several children of one scope failed; what each threw is kept.
class scope_failed : public std::exception {
 public:
  explicit scope_failed(std::vector<std::exception_ptr> errors);

  const char* what() const noexcept override { return text_.c_str(); }

  /// Returns   at least two: that of the body, then those of the children in the order in which they happened.
  const std::vector<std::exception_ptr>& errors() const noexcept { return errors_; }

 private:
  std::vector<std::exception_ptr> errors_;
  std::string text_;
};

class scope;

namespace detail {

class deadline_watch;

/// Waits until a scope has no children. Ended early by a cancel that the scope has not heard of yet: ask again.
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

/// What a scope is to its own tasklet: something that its code runs inside of, or merely an object that it has.
enum class scope_kind : bool { object, encloses_body };

template <class F, class R>
R run_in_scope(deadline limit, F body);
template <class F>
auto call_in_scope(deadline limit, F& body) -> std::invoke_result_t<F&, scope&>;

/// Stops the program when the caller is a coroutine.
void refuse_blocking_scope_in_coroutine() noexcept;

}  // namespace detail

/// Owns the tasklets that are spawned in it: none outlives it.
///
/// The first child that fails cancels its siblings; every error is kept and thrown at the end. A child that was asked to
/// stop, and did, is no failure. A deadline cancels all that is inside when it passes. The failure of a child is the
/// scope's, whether or not somebody also joins that child.
///
/// `in_scope` runs a function inside a scope: then all of this holds for the function's own waits too, and it is the one
/// way for a coroutine, since a destructor cannot await. In a fiber or on a plain thread a scope can also be an object:
/// `join` waits for the children, and so does the destructor, which cancels them first when an exception passes by. An
/// object does not end the waits of its own tasklet: that one hears of a failure when it joins. It is the tasklet's that made
/// it, which joins and destroys it; one that a plain thread made is for plain threads.
///
/// A deadline reaches the children of all scopes inside at its time. A cancel and an error reach those of a scope inside of
/// a child, or of the function that `in_scope` runs, as soon as that one waits outside of any shield.
///
/// ```cpp
/// martlet::scope both(pool, 2s);
/// both.spawn(fetch(a));
/// both.spawn(fetch(b));
/// both.join();
/// ```
///
/// Threads   `spawn`, `cancel` and `size` any, while the scope lives.
class scope final : private detail::scope_base, private detail::wait_core {
 public:
  /// Makes a scope whose children run on the scheduler that runs the caller.
  explicit scope(deadline limit = {}) : scope(nullptr, limit, detail::scope_kind::object) {}
  /// Makes one for a plain thread.
  explicit scope(scheduler& pool, deadline limit = {}) : scope(pool.queue(), limit, detail::scope_kind::object) {}
  scope(const scope&) = delete;
  scope& operator=(const scope&) = delete;

  /// Waits for the children. Errors that no `join` has thrown are told to `scheduler_options::on_unhandled`.
  ~scope();

  /// Starts a child. As `scheduler::spawn`; in a cancelled scope its first wait throws `cancelled`.
  template <class T>
  handle<T> spawn(task<T> body, site where = site::here()) {
    return detail::spawner{queue_, this, where}.spawn(std::move(body));
  }
  template <class F>
    requires std::invocable<std::decay_t<F>&>
  auto spawn(F&& function, fiber_options options = {}, site where = site::here()) {
    return detail::spawner{queue_, this, where}.spawn(std::forward<F>(function), options);
  }

  /// Starts a child if the scheduler has room for it. As `scheduler::try_spawn`.
  template <class T>
  std::optional<handle<T>> try_spawn(task<T>& body, site where = site::here()) {
    return detail::spawner{queue_, this, where}.try_spawn(body);
  }
  template <class F>
    requires std::invocable<F&>
  auto try_spawn(F& function, fiber_options options = {}, site where = site::here()) {
    return detail::spawner{queue_, this, where}.try_spawn(function, options);
  }

  /// Asks everything inside to stop: the children, and the function that `in_scope` runs. Does not wait.
  ///
  /// Cost      a lock, and for each 64 children a `membarrier` (17 us) and some 50 ns each.
  void cancel() noexcept { stop(whom::all); }

  /// Waits until all children have ended; afterwards the scope can be used again, and is cancelled no more unless its
  /// deadline has passed. For fibers and threads, in one place at a time.
  ///
  /// Throws    the error of the child that failed, scope_failed when several did; deadline_passed when its deadline ended
  ///           something; cancelled when its tasklet was asked to stop, which stops the children too; misuse when another
  ///           tasklet than the one that made the scope calls.
  /// Suspends  until all have ended, also when it is cancelled.
  void join();

  /// Returns   how many children have not ended.
  std::size_t size() noexcept;

 private:
  friend class detail::scope_wait;
  friend class detail::deadline_watch;
  template <class F, class R>
  friend R detail::run_in_scope(deadline limit, F body);
  template <class F>
  friend auto detail::call_in_scope(deadline limit, F& body) -> std::invoke_result_t<F&, scope&>;

  enum class whom : bool { children, all };
  enum class at_end : bool { no, yes };

  scope(detail::run_queue* queue, deadline limit, detail::scope_kind what);

  std::uintptr_t child_began(detail::tasklet& who) override;
  void child_failed(std::exception_ptr failure, bool detached, site where) noexcept override;
  void child_stopped() noexcept override;
  void child_ended(detail::host& here, std::uintptr_t link) noexcept override;
  const detail::tasklet* parent() const noexcept override { return owner_; }
  std::uintptr_t outer_link() const noexcept override { return outer_link_; }
  base::instant limit() const noexcept override { return limit_; }

  std::uintptr_t child_began_slowly(detail::tasklet& who);
  // Whether it ends before its tasklet can.
  bool is_inside_owner() const noexcept { return kind_ == detail::scope_kind::encloses_body && owner_ != nullptr; }
  void require_scheduler() const;
  std::uintptr_t seat(detail::membership& place, detail::tasklet& who) noexcept;
  detail::membership* take_place() noexcept;
  detail::membership* enlarge_roster();
  void child_ended_slowly(detail::host& here, std::uintptr_t link) noexcept;
  void stop(whom to_stop) noexcept;
  void cancel_members() noexcept;
  void deadline_came() noexcept;
  void one_ended(detail::host& here) noexcept;
  void all_have_ended(detail::host& here) noexcept;
  void body_failed() noexcept { stop(whom::children); }
  bool have_ended(at_end what) noexcept;
  bool is_over() noexcept { return have_ended(at_end::yes); }
  static base::instant limit_around(detail::tasklet& self) noexcept;
  static std::uint16_t reach_of_stopped(detail::tasklet& self, const scope* but) noexcept;
  bool is_owner_stopped_by_others() const noexcept;
  bool is_late() const noexcept;
  std::vector<detail::failed_child> take_failures();
  bool let_go_of_owner(at_end what) noexcept;
  void settle(at_end what, std::exception_ptr of_the_body);

  // What each begin and end of a child touches stands together, right behind the lock: two workers pass it to and fro.
  // These under the lock, as those at the end; the owner never changes.
  bool children_are_told_ = false;     // to stop
  bool somebody_stopped_ = false;      // a child ended as cancelled
  bool deadline_has_passed_ = false;   // its own, while something was inside
  bool outer_has_passed_ = false;      // the same of one around it
  bool tells_of_first_child_ = false;  // the scheduler; one that encloses a body never does
  std::size_t open_ = 0;
  detail::tasklet* owner_;  // whose scope it is; null: a plain thread's
  detail::roster roster_;

  detail::run_queue* queue_;
  const detail::scope_kind kind_;
  bool is_limited_outside_ = false;       // the earliest deadline is that of a scope around it
  base::atomic<bool> is_stopped_{false};  // its body too; set before the tasklet is told
  std::uint16_t reach_ = 1;               // detail::cancel
  const int uncaught_;
  base::instant limit_;                // the earliest deadline of all that it is inside of, up to a shield
  std::uintptr_t* link_at_ = nullptr;  // where its tasklet keeps the link to it
  std::uintptr_t outer_link_ = 0;
  // All below under the lock.
  detail::wait_node* waiter_ = nullptr;
  detail::failed_child first_failure_;
  std::vector<detail::failed_child> more_failures_;
  std::unique_ptr<detail::deadline_watch> watch_;
};

namespace detail {

template <class F, class R>
R run_in_scope(deadline limit, F body) {
  using result_type = typename R::value_type;
  scope children(nullptr, limit, scope_kind::encloses_body);
  std::exception_ptr error;
  kept_result<result_type> result;
  try {
    if constexpr (std::is_void_v<result_type>) {
      co_await std::invoke(body, children);
    } else {
      result.keep(co_await std::invoke(body, children));
    }
  } catch (...) {
    error = std::current_exception();
    children.body_failed();
  }
  while (!children.is_over()) {
    co_await scope_wait(children);
  }
  children.settle(scope::at_end::yes, std::move(error));
  co_return result.take();
}

template <class F>
auto call_in_scope(deadline limit, F& body) -> std::invoke_result_t<F&, scope&> {
  using result_type = std::invoke_result_t<F&, scope&>;
  refuse_blocking_scope_in_coroutine();
  scope children(nullptr, limit, scope_kind::encloses_body);
  std::exception_ptr error;
  kept_result<result_type> result;
  try {
    if constexpr (std::is_void_v<result_type>) {
      std::invoke(body, children);
    } else {
      result.keep(std::invoke(body, children));
    }
  } catch (...) {
    error = std::current_exception();
    children.body_failed();
  }
  while (!children.is_over()) {
    scope_wait end(children);
    martlet::await(end);
  }
  children.settle(scope::at_end::yes, std::move(error));
  return result.take();
}

}  // namespace detail

/// Runs `body` inside a scope of its own and goes on when the body and every tasklet spawned in the scope have ended.
///
/// The first error, of the body or of a child, cancels all others that are inside; so does the deadline when it passes. Its
/// own deadline is the earlier of its and of those around it, which cancel what is inside of them.
///
/// ```cpp
/// co_await martlet::in_scope(2s, [&](martlet::scope& s) -> martlet::task<> {
///   s.spawn(fetch(a));
///   s.spawn(fetch(b));
///   co_return;
/// });                                         // both have ended here
/// ```
///
/// A scope that is made behind a shield is not held back by that one: its deadline and its errors do end its body's waits.
/// On a plain thread use a scope as an object: there is no scheduler that the children could run on.
///
/// Takes     a callable that takes the scope and returns a task, or in a fiber any other; it is kept until the end.
/// Returns   a task to await, or what the body returned.
/// Throws    the one error of body and children, or scope_failed with all of them; deadline_passed when the deadline ended
///           something; cancelled.
/// Suspends  until all have ended, also when it is cancelled; resumed by any worker.
template <class F>
auto in_scope(deadline limit, F body) -> std::invoke_result_t<F&, scope&> {
  using result_type = std::invoke_result_t<F&, scope&>;
  if constexpr (detail::is_task<result_type>) {
    return detail::run_in_scope<F, result_type>(limit, std::move(body));
  } else {
    return detail::call_in_scope(limit, body);
  }
}
template <class F>
auto in_scope(F body) -> std::invoke_result_t<F&, scope&> {
  return in_scope(deadline(), std::move(body));
}

/// Gives a task a time limit: it and all that it waits for.
///
/// ```cpp
/// page p = co_await martlet::within(2s, fetch(url));
/// ```
///
/// Throws    deadline_passed when the limit ended it: one of its waits then threw `cancelled`. What the task throws.
template <class T>
task<T> within(deadline limit, task<T> part) {
  return in_scope(limit, [part = std::move(part)](scope&) mutable { return std::move(part); });
}

}  // namespace martlet
