#pragma once

#include "python_tasklet.hpp"
#include "thread_state.hpp"
#include "wait.hpp"

#include <martlet/tasklet/context.hpp>
#include <martlet/tasklet/stack_pool.hpp>

namespace martlet::python {

/// A plain function as a tasklet: it has a C stack of its own, and may block anywhere, with C frames in between.
///
/// Before it has started any worker may take it. From then on it stays on that worker's thread: its objects lie in that
/// thread's heap, and CPython's frames point into that thread's state.
struct function_frame : tasklet_frame {
  function_frame(object function, object args, object context) noexcept;

  /// Leaves the stack and has the worker enter the wait; returns when it was resumed.
  void park(wait& what) noexcept;

  /// Leaves the stack and goes behind all others that are ready; returns when it was resumed.
  void let_others_run() noexcept;

  /// Returns   the innermost Python frame of one that waits; null before it has started.
  object suspended_frame(PyThreadState* thread) noexcept;

  static void resume(void* frame);
  static void enter(void* frame);

  object function_;
  object args_;
  object context_;
  saved_thread_state state_;
  detail::stack memory_;
  detail::context flow_;
  wait* waiting_ = nullptr;  // null: for its next turn
  object result_;
  object error_;
  bool is_started_ = false;
  bool has_ended_ = false;

 private:
  bool start(run& all, PyThreadState* thread);
  void switch_to(PyThreadState* thread, detail::host& here) noexcept;
  void end();
};

}  // namespace martlet::python
