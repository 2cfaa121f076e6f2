#include "coroutine_tasklet.hpp"

#include "operation.hpp"
#include "run.hpp"

namespace martlet::python {
namespace {

// Calls `coroutine.throw(error)` with the results of PyIter_Send.
PySendResult throw_into(PyObject* coroutine, PyObject* error, PyObject** result) {
  const object name = object::take(PyUnicode_InternFromString("throw"));
  *result = name ? PyObject_CallMethodOneArg(coroutine, name.get(), error) : nullptr;
  if (*result != nullptr) {
    return PYGEN_NEXT;
  }
  if (!PyErr_ExceptionMatches(PyExc_StopIteration)) {
    return PYGEN_ERROR;
  }
  const object stop = take_error();
  *result = PyObject_GetAttrString(stop.get(), "value");
  return *result == nullptr ? PYGEN_ERROR : PYGEN_RETURN;
}

// Whether asyncio's tasks would wait for it.
bool is_future(PyObject* what) {
  const object mark = object::take(PyObject_GetAttrString(what, "_asyncio_future_blocking"));
  PyErr_Clear();
  return mark && mark.get() != Py_None;
}

}  // namespace

// What the worker runs.
void coroutine_frame::resume(void* frame) {
  auto& self = *static_cast<coroutine_frame*>(static_cast<tasklet_frame*>(frame));
  detail::host& here = *self.record_.at();
  attachment& worker = self.run_->attach(here);
  self.record_.is_pinned_ = self.stays_;
  PyTypeObject* const operations = self.run_->state().operation_type;
  PyObject* result = nullptr;
  PySendResult sent = self.send(worker, &result);
  for (;;) {
    if (sent == PYGEN_NEXT) {
      object yielded = object::take(result);
      if (Py_IS_TYPE(yielded.get(), operations)) [[likely]] {
        auto* op = reinterpret_cast<operation_object*>(yielded.get());
        self.operation_.swap(yielded);
        yielded = {};
        // From the moment when the wait is published it may be resumed elsewhere: nothing of `self` is touched then.
        if (enter_wait(op, self, here)) {
          return;
        }
        sent = self.send(worker, &result);
      } else if (yielded.get() == Py_None) {
        yielded = {};
        detail::ready(&self.record_, &here, detail::turn::last);  // a bare yield
        return;
      } else if (is_future(yielded.get())) {
        if (self.enter_future(std::move(yielded))) {
          return;
        }
        sent = PyErr_Occurred() == nullptr ? self.send(worker, &result) : self.throw_in(worker, take_error(), &result);
      } else {
        sent = self.refuse(worker, std::move(yielded), &result);
      }
      continue;
    }
    object error = sent == PYGEN_ERROR ? take_error() : object();
    self.forget();
    self.coroutine_ = {};
    self.context_ = {};
    end_tasklet(self, object::take(result), std::move(error));
    return;
  }
}

bool coroutine_frame::claim(module_state& state) {
  const std::lock_guard guard(state.lock);
  if (!state.coroutines.insert(coroutine_.get()).second) {
    return false;
  }
  claimed_in_ = &state;
  return true;
}

void coroutine_frame::forget() noexcept {
  if (claimed_in_ != nullptr) {
    const std::lock_guard guard(claimed_in_->lock);
    claimed_in_->coroutines.erase(coroutine_.get());
    claimed_in_ = nullptr;
  }
}

// From what is awaited to what that awaits, as long as it is Python's own.
object coroutine_frame::suspended_frame() const noexcept {
  object innermost;
  for (object at = object::share(coroutine_.get()); at;) {
    const bool is_generator = PyGen_CheckExact(at.get());
    object frame = object::take(PyObject_GetAttrString(at.get(), is_generator ? "gi_frame" : "cr_frame"));
    if (!frame || frame.get() == Py_None) {
      break;
    }
    innermost = std::move(frame);
    at = object::take(PyObject_GetAttrString(at.get(), is_generator ? "gi_yieldfrom" : "cr_await"));
  }
  PyErr_Clear();
  return innermost;
}

// Waits for a future of asyncio's.
//
// Returns   false when it goes on at once, or an exception is set; when true, it may run elsewhere already.
bool coroutine_frame::enter_future(object future) {
  object waiting = object::take(call_bridge("wait_for_future", future.get()));
  auto* op = reinterpret_cast<operation_object*>(waiting.get());
  if (!waiting || !take_operation(op)) {
    return false;
  }
  future_ = std::move(future);
  operation_.swap(waiting);
  waiting = {};
  if (op->inner().prepare(&record_)) {
    return op->inner().publish();
  }
  return false;
}

PySendResult coroutine_frame::send(attachment& worker, PyObject** result) {
  if (future_) [[unlikely]] {
    const object future = std::move(future_);
    const object waited = std::move(operation_);
    const object is_done = object::take(reinterpret_cast<operation_object*>(waited.get())->inner().finish());
    if (!is_done) {  // cancelled
      object error = take_error();
      if (const object answer = object::take(call_bridge("cancel_future", future.get())); !answer) {
        PyErr_WriteUnraisable(future.get());
      }
      return throw_in(worker, std::move(error), result);
    }
  }
  return go_on(worker, result);
}

PySendResult coroutine_frame::go_on(attachment& worker, PyObject** result) {
  *result = nullptr;
  operation_ = {};  // the wait is over; the await itself holds it for as long as it needs it
  if (!enter_context(worker)) {
    return PYGEN_ERROR;
  }
  const PySendResult sent = PyIter_Send(coroutine_.get(), Py_None, result);
  if (sent != PYGEN_ERROR) [[likely]] {
    leave_context(worker);
  } else {
    const error_set_aside raised;
    leave_context(worker);
  }
  return sent;
}

// One without variables borrows its worker's empty context: most never set any, and a context takes as much memory as half a frame.
bool coroutine_frame::enter_context(attachment& worker) {
  if (!context_ && !worker.blank) {
    worker.blank = object::take(PyContext_New());
  }
  PyObject* entered = context_ ? context_.get() : worker.blank.get();
  return entered != nullptr && PyContext_Enter(entered) == 0;
}

// What it has borrowed is its own, when it has set variables.
void coroutine_frame::leave_context(attachment& worker) {
  if (context_) {
    PyContext_Exit(context_.get());
    return;
  }
  PyContext_Exit(worker.blank.get());
  if (PyContext_Type.tp_as_mapping->mp_length(worker.blank.get()) != 0) {  // PyObject_Size in a third of the time
    context_.swap(worker.blank);
  }
}

// It awaits something of somebody else's, which nobody here can wait for.
PySendResult coroutine_frame::refuse(attachment& worker, object found, PyObject** result) {
  PyErr_Format(
      run_->state().misuse,
      "a coroutine tasklet awaited an object of type %s, which needs an event loop of its own: await martlet's "
      "operations and handles, and futures of asyncio's",
      Py_TYPE(found.get())->tp_name);
  return throw_in(worker, take_error(), result);
}

PySendResult coroutine_frame::throw_in(attachment& worker, object error, PyObject** result) {
  *result = nullptr;
  if (!enter_context(worker)) {
    return PYGEN_ERROR;
  }
  const PySendResult sent = throw_into(coroutine_.get(), error.get(), result);
  const error_set_aside raised;
  leave_context(worker);
  return sent;
}

}  // namespace martlet::python
