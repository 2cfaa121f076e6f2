#pragma once

#include "python_tasklet.hpp"

namespace martlet::python {

struct attachment;

/// A coroutine (`async def`) as a tasklet. Any worker may resume it: it is an object like any other, and `PyIter_Send`
/// runs it on whichever thread has it.
struct coroutine_frame : tasklet_frame {
  coroutine_frame(object coroutine, object context) noexcept
      : tasklet_frame(body::coroutine, &coroutine_frame::resume),
        coroutine_(std::move(coroutine)),
        context_(std::move(context)) {}
  ~coroutine_frame() { forget(); }

  /// Notes that the coroutine, an object that somebody else has too, is a tasklet from now on.
  ///
  /// Returns   false when it is one already.
  bool claim(module_state& state);

  /// Returns   the innermost Python frame of one that waits; null where that is not known.
  object suspended_frame() const noexcept;

  static void resume(void* frame);

  object coroutine_;
  object context_;    // of its variables; null until it has any
  object operation_;  // what it is suspended in
  module_state* claimed_in_ = nullptr;
  object future_;  // of asyncio's, for which `operation_` waits on its behalf

 private:
  void forget() noexcept;
  bool enter_future(object future);
  PySendResult send(attachment& worker, PyObject** result);
  PySendResult go_on(attachment& worker, PyObject** result);
  PySendResult throw_in(attachment& worker, object error, PyObject** result);
  PySendResult refuse(attachment& worker, object found, PyObject** result);
  bool enter_context(attachment& worker);
  void leave_context(attachment& worker);
};

}  // namespace martlet::python
