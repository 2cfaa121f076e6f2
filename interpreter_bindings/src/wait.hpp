#pragma once

#include "module_state.hpp"

#include <mutex>
#include <optional>
#include <utility>

#include <martlet/channel/select.hpp>
#include <martlet/tasklet/case_operation.hpp>

namespace martlet::python {

/// Something that a Python tasklet or thread waits for: one of the core's operations, with Python's results.
///
/// The three kinds of callers drive it alike: `try_at_once`; when that is not enough, `prepare` and `publish` from where
/// the caller has been suspended, so that it cannot be resumed twice; `finish` when it runs again.
class wait {
 public:
  wait() = default;
  wait(const wait&) = delete;
  wait& operator=(const wait&) = delete;
  virtual ~wait() = default;

  /// Does it without waiting, if that is possible.
  ///
  /// Returns   true when it is over: done, or `who` has been cancelled.
  virtual bool try_at_once(detail::tasklet* who) = 0;

  /// As `operation::prepare`: false when it is over, else the caller must call `publish` next, and nothing of Python's
  /// in between, because locks are held.
  virtual bool prepare(detail::tasklet* who) = 0;
  virtual bool publish() noexcept = 0;

  /// Returns   false when `who` was woken and has to wait again.
  virtual bool is_over(detail::tasklet* who) {
    static_cast<void>(who);
    return true;
  }

  /// Takes the wait back if it ended some other way, and tells the result.
  ///
  /// Returns   a new reference, or null with an exception set.
  virtual PyObject* finish() = 0;

  /// Shows it as a case of a select or as what a time limit stands beside. Null `node`: it cannot be one.
  virtual detail::select_case as_case() noexcept { return {}; }

  /// Tells the result when it was chosen as a case.
  virtual PyObject* case_result() = 0;

  /// Tells what it means that a time limit has passed: an exception, or a result.
  virtual PyObject* late() { return raise_late(); }

  /// Gives back what it took, where nobody gets the result because an exception is on its way.
  virtual void undo(PyObject* result) { static_cast<void>(result); }

  /// Returns   whether a tasklet whose budget is spent lets the others run before it tries, and not after: a lock that it
  ///           had taken would be kept from all of them.
  virtual bool yields_first() const noexcept { return false; }

  /// Returns   whether what it gives belongs to the tasklet that waits, so that a coroutine of asyncio's cannot have it.
  virtual bool belongs_to_tasklet() const noexcept { return false; }

  /// Returns   whether a plain thread that tries it would be blocked all the same.
  virtual bool occupies_thread() const noexcept { return false; }

  virtual int traverse(visitproc visit, void* arg) const {
    static_cast<void>(visit);
    static_cast<void>(arg);
    return 0;
  }

  virtual module_state& state() const noexcept = 0;

 protected:
  /// Raises DeadlinePassed.
  PyObject* raise_late();
};

/// Ends a wait whose result nobody gets, with whatever it raises.
void drop_result(wait& what);

/// Raises Cancelled.
PyObject* raise_cancelled(module_state& state);

/// Turns the C++ exception that is being handled into a Python one. Call it in a catch block.
PyObject* raise_what_was_caught(module_state& state);

/// Waits right here: in a function tasklet, whose worker goes on with others, or on a thread, which sleeps.
///
/// Takes     the name of the blocking call, and what to write instead where it cannot block.
/// Returns   a new reference, or null with an exception set.
PyObject* block(wait& what, const char* call, const char* instead);

/// Does an operation at once, if that is possible.
///
/// Returns   true when it is over: done, or `who` has been cancelled.
template <class Operation>
bool try_case(Operation& op, detail::tasklet* who) {
  if (!detail::begin(op, who)) {
    return true;
  }
  detail::wait_core& core = op.core();
  detail::tasklet* wake = nullptr;
  core.lock_.lock();
  const bool done = op.try_now(wake);
  if (done) {
    op.owner = nullptr;
  }
  core.lock_.unlock();
  if (wake != nullptr) {
    detail::ready(wake, detail::current_host());
  }
  return done;
}

/// A wait for one operation of the core.
template <class Operation>
class case_wait : public wait {
 public:
  bool try_at_once(detail::tasklet* who) override { return try_case(op_, who); }
  bool prepare(detail::tasklet* who) override { return op_.prepare(who); }
  bool publish() noexcept final { return op_.publish(); }
  PyObject* finish() override {
    if (op_.owner != nullptr) {
      op_.withdraw();
      return raise_cancelled(state());
    }
    return case_result();
  }
  detail::select_case as_case() noexcept override { return detail::select_case::of(op_); }

 protected:
  template <class... Args>
  explicit case_wait(Args&&... args) : op_(std::forward<Args>(args)...) {}

  Operation op_;
};

/// A wait for one operation of the core at one of martlet's Python objects, which it keeps.
template <class Object, class Operation>
class wait_at : public case_wait<Operation> {
 public:
  module_state& state() const noexcept final { return state_of(Py_TYPE(at_.get())); }
  int traverse(visitproc visit, void* arg) const override {
    Py_VISIT(at_.get());
    return 0;
  }

 protected:
  template <class... Args>
  explicit wait_at(Object* at, Args&&... args)
      : case_wait<Operation>(std::forward<Args>(args)...), at_(object::share(reinterpret_cast<PyObject*>(at))) {}

  Object* at() const noexcept { return reinterpret_cast<Object*>(at_.get()); }

 private:
  object at_;
};

/// Is over before it begins: what an awaitable twin gives that never waits.
class done_wait final : public wait {
 public:
  done_wait(module_state& state, PyObject* result) noexcept : state_(state), result_(object::share(result)) {}

  bool try_at_once(detail::tasklet*) override { return true; }
  bool prepare(detail::tasklet*) override { return false; }
  bool publish() noexcept override { return true; }
  PyObject* finish() override { return result_.new_reference(); }
  PyObject* case_result() override { return finish(); }
  module_state& state() const noexcept override { return state_; }
  int traverse(visitproc visit, void* arg) const override {
    Py_VISIT(result_.get());
    return 0;
  }

 private:
  module_state& state_;
  object result_;
};

/// Gives another wait a time limit.
class limited_wait final : public wait {
 public:
  limited_wait(wait& inner, base::instant due) noexcept;

  bool try_at_once(detail::tasklet* who) override;
  bool prepare(detail::tasklet* who) override;
  bool publish() noexcept override { return select_->publish(); }
  PyObject* finish() override;
  PyObject* case_result() override { return inner_.case_result(); }
  void undo(PyObject* result) override { inner_.undo(result); }
  bool yields_first() const noexcept override { return inner_.yields_first(); }
  bool occupies_thread() const noexcept override { return inner_.occupies_thread(); }
  module_state& state() const noexcept override { return inner_.state(); }
  int traverse(visitproc visit, void* arg) const override { return inner_.traverse(visit, arg); }

 private:
  wait& inner_;
  const base::instant due_;
  detail::sleep_operation limit_;
  std::array<detail::select_case, 2> cases_;
  std::array<detail::wait_core*, 2> cores_{};
  std::optional<detail::select_wait> select_;  // once it had to wait
  bool is_late_ = false;
};

/// As `block_until`, for what may be had without waiting anywhere, also where nobody may wait: a coroutine, a loop's thread.
PyObject* take_or_block(wait& what, base::instant due, const char* call, const char* instead);

/// Blocks on `what` for at most until `due`.
inline PyObject* block_until(wait& what, base::instant due, const char* call, const char* instead) {
  if (due == base::never) {
    return block(what, call, instead);
  }
  limited_wait limited(what, due);
  return block(limited, call, instead);
}

}  // namespace martlet::python
