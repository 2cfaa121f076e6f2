#pragma once

#include "handle.hpp"
#include "wait.hpp"

#include <cstddef>
#include <memory>

namespace martlet::python {

/// `martlet.operation`: what the awaitable twins give. It is awaited once, or handed to a select.
///
/// Awaiting it never queues the tasklet: it tries, and otherwise yields itself out of the coroutine, and the *worker*
/// begins the wait when the coroutine has been suspended. So nobody can resume a coroutine that still runs.
struct operation_object {
  enum class stage : unsigned char { fresh, behind, yielding, waiting, entered, over, in_select };

  static constexpr std::size_t room_bytes = 88;

  PyObject_HEAD module_state* state;
  wait* inner;            // lies in `room`, a large one elsewhere
  limited_wait* limit;    // around it, when there is a time limit
  tasklet_frame* waiter;  // whose worker has entered it
  const char* call;       // "channel.areceive()", for messages
  base::atomic<stage> now;
  alignas(8) std::byte room[room_bytes];

  bool is_inner_here() const noexcept { return reinterpret_cast<const std::byte*>(inner) == room; }
  wait& whole() noexcept { return limit != nullptr ? static_cast<wait&>(*limit) : *inner; }
};

/// Makes an operation that awaits a `Wait`.
///
/// Returns   null with an exception set.
template <class Wait, class... Args>
PyObject* make_operation(module_state& state, base::instant due, const char* call, Args&&... args) {
  auto* self = PyObject_GC_New(operation_object, state.operation_type);
  if (self == nullptr) {
    return nullptr;
  }
  self->state = &state;
  self->limit = nullptr;
  self->waiter = nullptr;
  self->call = call;
  std::construct_at(&self->now, operation_object::stage::fresh);
  if constexpr (sizeof(Wait) <= operation_object::room_bytes && alignof(Wait) <= 8) {
    self->inner = std::construct_at(reinterpret_cast<Wait*>(self->room), std::forward<Args>(args)...);
  } else {
    self->inner = new (std::nothrow) Wait(std::forward<Args>(args)...);
    if (self->inner == nullptr) {
      self->now.store(operation_object::stage::over, base::relaxed);
      Py_DECREF(self);
      return PyErr_NoMemory();
    }
  }
  if (due != base::never) {
    self->limit = new (std::nothrow) limited_wait(*self->inner, due);
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
