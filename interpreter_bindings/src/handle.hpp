#pragma once

#include "python_tasklet.hpp"
#include "wait.hpp"

namespace martlet::python {

/// `martlet.handle`: what a spawn gives back, and what `current()` tells.
struct handle_object {
  PyObject_HEAD tasklet_frame* frame;
  PyObject* named_by;  // a str, which is its name, or the callable whose name it has
  PyObject* code;      // where it was spawned: a code object and an instruction; null: in C++, which its record knows
  int instruction;
  bool has_failed;
  bool is_told;         // somebody has seen the error, or will: no report when it is dropped
  bool is_explored;     // its run is one of many, which wants to know of the error and is not worth a report
  PyObject* owner;      // the scope that it belongs to; keeps the family alive
  PyObject* outcome;    // once it has ended: what it returned or raised
  PyObject* traceback;  // of the error when it ended: each join raises it from there
  PyObject* weak_references;

  module_state& state() noexcept { return state_of(Py_TYPE(&ob_base)); }
};

/// Waits for the end of a tasklet. Any number may wait for the same one.
class end_operation final : public detail::case_operation<end_operation> {
 public:
  explicit end_operation(tasklet_frame& child) noexcept : child_(child) {}

  detail::wait_core& core() noexcept { return child_.record_; }
  bool try_now(detail::tasklet*&) noexcept {
    const auto now = detail::tasklet::tag_of(child_.record_.word_.load(base::relaxed));  // under the lock that finishes
    return now == detail::tag::done || now == detail::tag::failed;
  }
  void link() noexcept { child_.joiners_.push_back(*this); }
  void unlink() noexcept { detail::wait_list::unlink(*this); }
  void result() const noexcept {}

 private:
  tasklet_frame& child_;
};

/// Returns   what an ended tasklet returned: a new reference; null with what it raised.
PyObject* outcome_of(handle_object* ended);

/// `handle.join`: the end, and then what the tasklet returned or raised.
class join_wait final : public wait_at<handle_object, end_operation> {
 public:
  explicit join_wait(handle_object* child) noexcept : wait_at(child, *child->frame) {}

  PyObject* case_result() override;
};

/// Makes the handle of a frame that is about to be entered, with the place of the spawn.
///
/// Returns   null with an exception set; the frame is then still the caller's.
handle_object* make_handle(module_state& state, tasklet_frame& frame, PyObject* function, PyObject* name);

/// Returns   a new reference to the tasklet's name, null with an exception set.
PyObject* name_of(handle_object* self);

/// Returns   a new reference to "file:line" of the spawn, null with an exception set.
PyObject* place_of(handle_object* self);

}  // namespace martlet::python
