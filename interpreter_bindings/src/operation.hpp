#pragma once

#include "handle.hpp"
#include "wait.hpp"

#include <memory>
#include <new>
#include <type_traits>

namespace martlet::python {

/// `martlet.operation`: what the awaitable twins give. It is awaited once, or handed to a select.
///
/// Awaiting it never queues the tasklet: it tries, and otherwise yields itself out of the coroutine, and the *worker*
/// begins the wait when the coroutine has been suspended. So nobody can resume a coroutine that still runs.
struct operation_object {
  enum class stage : unsigned char { fresh, behind, yielding, waiting, entered, over, in_select };

  PyObject_VAR_HEAD limited_wait* limit;  // around the inner one, when there is a time limit
  tasklet_frame* waiter;                  // whose worker has entered it
  const char* call;                       // "channel.areceive()", for messages
  base::atomic<stage> now;

  /// Returns   what it waits for, which lies behind it and has the size that it needs.
  wait& inner() noexcept { return *std::launder(reinterpret_cast<wait*>(this + 1)); }
  wait& whole() noexcept { return limit != nullptr ? static_cast<wait&>(*limit) : inner(); }
  module_state& state() noexcept { return inner().state(); }
};

/// Makes an operation that awaits a `Wait`.
///
/// Returns   null with an exception set.
template <class Wait, class... Args>
PyObject* make_operation(module_state& state, base::instant due, const char* call, Args&&... args) {
  static_assert(alignof(Wait) <= alignof(operation_object) && std::is_base_of_v<wait, Wait>);
  auto* self = PyObject_GC_NewVar(operation_object, state.operation_type, sizeof(Wait));
  if (self == nullptr) {
    return nullptr;
  }
  self->limit = nullptr;
  self->waiter = nullptr;
  self->call = call;
  std::construct_at(&self->now, operation_object::stage::fresh);
  std::construct_at(reinterpret_cast<Wait*>(self + 1), std::forward<Args>(args)...);
  if (due != base::never) {
    self->limit = new (std::nothrow) limited_wait(self->inner(), due);
    if (self->limit == nullptr) {
      Py_DECREF(self);
      return PyErr_NoMemory();
    }
  }
  PyObject_GC_Track(reinterpret_cast<PyObject*>(self));
  return reinterpret_cast<PyObject*>(self);
}

/// Takes an operation that has not begun for something else, a select.
///
/// Returns   false with an exception set when it was used before.
bool take_operation(operation_object* self);

/// Enters the wait of a coroutine that has been suspended in it; called by its worker.
///
/// Returns   false when the coroutine goes on at once; when true, `who` may run elsewhere already.
bool enter_wait(operation_object* self, tasklet_frame& who, detail::host& here);

}  // namespace martlet::python
