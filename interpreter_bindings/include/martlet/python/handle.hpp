#pragma once

#include <martlet/python/reference.hpp>

#include <initializer_list>
#include <utility>

#include <martlet/tasklet/handle.hpp>
#include <martlet/tasklet/site.hpp>

namespace martlet::python {

/// `handle::join`.
class [[nodiscard("await it")]] join_operation final : public martlet::detail::wait_for_end<join_operation> {
 public:
  join_operation(reference handle, martlet::detail::tasklet& child, martlet::detail::wait_list& joiners) noexcept
      : wait_for_end(child), handle_(std::move(handle)), joiners_(&joiners) {}

  void link() noexcept { joiners_->push_back(*this); }
  void unlink() noexcept { martlet::detail::wait_list::unlink(*this); }
  reference result();

 private:
  reference handle_;  // keeps the child's record
  martlet::detail::wait_list* joiners_;
};

/// A Python tasklet, as `spawn` gives it: the right to wait for it and to stop it.
///
/// Dropping it does not stop the tasklet. An error that nobody joins is reported by sys.unraisablehook.
class handle {
 public:
  /// Takes     a `martlet.handle`.
  explicit handle(reference of) noexcept : object_(std::move(of)) {}

  /// Waits until the tasklet has ended. Any number may wait, also in Python.
  ///
  /// Returns   what it returned; the worker is attached then.
  /// Throws    error, or its twin, for what it raised; cancelled when the waiting tasklet was asked to stop first.
  /// Suspends  until the end. It can be a case of a `select`, and be given a limit with `within`.
  /// Threads   any tasklet; plain threads too, detached (Py_BEGIN_ALLOW_THREADS), and their result is made attached.
  join_operation join() const;

  /// Asks the tasklet to stop: the wait it is in, and every later one, raises Cancelled. Never suspends. Threads any.
  void cancel() noexcept;

  /// Returns   what it is doing. Never suspends. Threads any.
  status state() const noexcept;

  /// Returns   Python's handle, borrowed.
  PyObject* get() const noexcept { return object_.get(); }

 private:
  reference object_;
};

/// Starts a Python tasklet on the scheduler that runs the caller, and attaches the worker.
///
/// Takes     a coroutine function, a coroutine or a plain function, and its arguments, all borrowed.
/// Throws    misuse outside of a tasklet of `run_here`, and when its main tasklet and all of Python's have ended; error for
///           what is neither.
/// Suspends  never.
handle spawn(PyObject* what, std::initializer_list<PyObject*> args = {}, site where = site::here());

}  // namespace martlet::python
