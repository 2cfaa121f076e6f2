#include "operation.hpp"

#include "run.hpp"

#include <martlet/tasklet/await.hpp>

namespace martlet::python {
namespace {

using stage = operation_object::stage;

operation_object* as_operation(PyObject* self) noexcept { return reinterpret_cast<operation_object*>(self); }

const char* text_of(stage now) noexcept { return now == stage::in_select ? "was given to a select" : "was awaited"; }

PySendResult try_or_wait(operation_object* self, tasklet_frame& who, PyObject** result) {
  wait& whole = self->whole();
  if (whole.try_at_once(&who.record_)) {
    if (whole.yields_first() || --who.record_.at()->budget_ >= 0) [[likely]] {
      self->now.store(stage::over, base::relaxed);
      *result = whole.finish();
      return *result == nullptr ? PYGEN_ERROR : PYGEN_RETURN;
    }
    self->now.store(stage::yielding, base::relaxed);  // it is done, but others want to run too
  }
  *result = Py_NewRef(reinterpret_cast<PyObject*>(self));
  return PYGEN_NEXT;
}

// Only the tasklet that awaits it moves it from stage to stage; `fresh` is left by exchange, so that two that await the
// same one at once are told.
PySendResult begin_await(operation_object* self, PyObject** result) {
  tasklet_frame* who = current_tasklet();
  if (who == nullptr || who->body_ != body::coroutine) {
    PyErr_Format(self->state().misuse,
                 who == nullptr ? "%s was awaited outside of a tasklet: start the coroutine with martlet.run or "
                                  "martlet.spawn"
                                : "%s was awaited inside a function tasklet: use its blocking twin, without the 'a'",
                 self->call);
    self->now.store(stage::over, base::relaxed);
    return PYGEN_ERROR;
  }
  if (refuse_child_of_fork(*who, self->call)) {
    self->now.store(stage::over, base::relaxed);
    return PYGEN_ERROR;
  }
  stage was = stage::fresh;
  if (!self->now.compare_exchange_strong(was, stage::waiting, base::acq_rel)) {
    PyErr_Format(self->state().misuse, "%s %s already: an operation is used once", self->call, text_of(was));
    return PYGEN_ERROR;
  }
  self->waiter = who;
  if (self->whole().yields_first() && --who->record_.at()->budget_ < 0) {
    self->now.store(stage::behind, base::relaxed);
    *result = Py_NewRef(reinterpret_cast<PyObject*>(self));
    return PYGEN_NEXT;
  }
  return try_or_wait(self, *who, result);
}

PySendResult send_operation(PyObject* object, PyObject*, PyObject** result) {
  operation_object* self = as_operation(object);
  *result = nullptr;  // what comes with an error
  switch (self->now.load(base::relaxed)) {
    case stage::entered:
      if (current_tasklet() != self->waiter) {
        break;
      }
      if (!self->whole().is_over(&self->waiter->record_)) {
        self->now.store(stage::waiting, base::relaxed);
        *result = Py_NewRef(object);
        return PYGEN_NEXT;
      }
      [[fallthrough]];
    case stage::yielding:
      self->now.store(stage::over, base::relaxed);
      *result = self->whole().finish();
      return *result == nullptr ? PYGEN_ERROR : PYGEN_RETURN;
    case stage::behind:
      if (current_tasklet() == self->waiter) {
        self->now.store(stage::waiting, base::relaxed);
        return try_or_wait(self, *self->waiter, result);
      }
      break;
    case stage::waiting:  // somebody between us and the worker resumed the coroutine by hand: not yet
      if (current_tasklet() == self->waiter) {
        *result = Py_NewRef(object);
        return PYGEN_NEXT;
      }
      break;
    default: return begin_await(self, result);
  }
  PyErr_Format(self->state().misuse, "%s is awaited by another tasklet already: an operation is used once", self->call);
  return PYGEN_ERROR;
}

// A coroutine of asyncio's awaits it. What can be done at once needs no tasklet.
PyObject* await_for_asyncio(operation_object* self) {
  wait& whole = self->whole();
  if (whole.belongs_to_tasklet()) {
    PyErr_Format(
        self->state().misuse,
        "%s: an RLock, and a Condition that made one for itself, belongs to a tasklet; in asyncio's coroutines "
        "use a martlet.Lock",
        self->call);
    self->now.store(stage::over, base::relaxed);
    return nullptr;
  }
  detail::thread_waiter nobody;
  if (whole.occupies_thread() || refuse_beside_simulation(self->state(), self->call) ||
      !whole.try_at_once(&nobody.record_)) {
    PyObject* waiting =
        PyErr_Occurred() == nullptr ? call_bridge("wait_in_loop", reinterpret_cast<PyObject*>(self)) : nullptr;
    if (stage was = stage::fresh; waiting == nullptr) {
      self->now.compare_exchange_strong(was, stage::over, base::relaxed);  // whoever is told why needs no warning
    }
    return waiting;
  }
  self->now.store(stage::over, base::relaxed);
  const object result = object::take(whole.finish());
  if (result) {
    return call_bridge("over", result.get());
  }
  const object error = take_error();
  return call_bridge("failed", error.get());
}

PyObject* await_operation(PyObject* self) {
  if (current_tasklet() == nullptr && as_operation(self)->now.load(base::relaxed) == stage::fresh) [[unlikely]] {
    switch (has_running_loop()) {
      case -1: return nullptr;
      case 1: return await_for_asyncio(as_operation(self));
      default: break;  // whoever asks it for the first step is told
    }
  }
  return Py_NewRef(self);
}

// Raises StopIteration with a value, as every await of 3.12 and newer wants it. To call the class, with a tuple for its
// arguments, would take as long as all the rest of a wait that is over at once.
void raise_stop(PyObject* value) {
  auto* type = reinterpret_cast<PyTypeObject*>(PyExc_StopIteration);
  const object none = object::take(PyTuple_New(0));
  object stop = object::take(none ? type->tp_new(type, none.get(), nullptr) : nullptr);
  if (stop) {
    reinterpret_cast<PyStopIterationObject*>(stop.get())->value = Py_NewRef(value);
    raise_again(std::move(stop));
  }
}

// What `await` calls next: it sends nothing, so it asks for the next.
PyObject* next_of_operation(PyObject* self) {
  PyObject* result = nullptr;
  switch (send_operation(self, Py_None, &result)) {
    case PYGEN_NEXT: return result;
    case PYGEN_ERROR: return nullptr;
    case PYGEN_RETURN: break;
  }
  const object value = object::take(result);
  if (value.get() != Py_None) {  // nothing raised means None
    raise_stop(value.get());
  }
  return nullptr;
}

int traverse_operation(PyObject* object, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(object));
  return as_operation(object)->inner().traverse(visit, arg);
}

void free_operation(PyObject* object) {
  operation_object* self = as_operation(object);
  PyTypeObject* type = Py_TYPE(object);
  PyObject_GC_UnTrack(object);
  const stage now = self->now.load(base::relaxed);
  if (now == stage::entered) {
    // Its tasklet was thrown out of the await by an exception, and runs: the wait has been claimed, or is ours to end.
    const error_set_aside raised;
    drop_result(self->whole());
  } else if (now == stage::fresh && PyErr_Occurred() == nullptr) {  // an exception on its way explains it
    if (PyErr_WarnFormat(PyExc_RuntimeWarning, 1, "%s was never awaited, so nothing was done", self->call) < 0) {
      PyErr_WriteUnraisable(nullptr);
    }
  }
  delete self->limit;
  std::destroy_at(&self->inner());
  type->tp_free(object);
  Py_DECREF(type);
}

// What it has given has reached nobody.
PyObject* undo(PyObject* self, PyObject* result) {
  as_operation(self)->whole().undo(result);
  Py_RETURN_NONE;
}

PyMethodDef operation_methods[] = {
    {"_undo", undo, METH_O, nullptr},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, "operation[T] gives a T when it is awaited."},
    {nullptr, nullptr, 0, nullptr},
};

PyType_Slot operation_slots[] = {
    {Py_tp_doc,
     const_cast<char*>("Something that can be awaited in a coroutine tasklet, once, or handed to a select.\n\n"
                       "The functions and methods that begin with an 'a' give one.")},
    {Py_tp_dealloc, reinterpret_cast<void*>(free_operation)},
    {Py_tp_traverse, reinterpret_cast<void*>(traverse_operation)},
    {Py_tp_iter, reinterpret_cast<void*>(PyObject_SelfIter)},
    {Py_tp_iternext, reinterpret_cast<void*>(next_of_operation)},
    {Py_am_await, reinterpret_cast<void*>(await_operation)},
    {Py_am_send, reinterpret_cast<void*>(send_operation)},
    {Py_tp_methods, operation_methods},
    {0, nullptr},
};

PyType_Spec operation_spec = {
    .name = "martlet.operation",
    .basicsize = sizeof(operation_object),
    .itemsize = 1,
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = operation_slots,
};

}  // namespace

bool take_operation(operation_object* self) {
  stage was = stage::fresh;
  if (!self->now.compare_exchange_strong(was, stage::in_select, base::acq_rel)) {
    PyErr_Format(self->state().misuse, "%s %s already: an operation is used once", self->call, text_of(was));
    return false;
  }
  return true;
}

bool enter_wait(operation_object* self, tasklet_frame& who, detail::host& here) {
  if (const stage now = self->now.load(base::relaxed); now == stage::yielding || now == stage::behind) {
    detail::ready(&who.record_, &here, detail::turn::last);
    return true;
  }
  self->now.store(stage::entered, base::relaxed);
  wait& whole = self->whole();
  if (whole.prepare(&who.record_)) {
    return whole.publish();
  }
  if (--here.budget_ < 0) {
    detail::ready(&who.record_, &here, detail::turn::last);
    return true;
  }
  return false;
}

bool make_operation_type(PyObject* module, module_state& state) {
  state.operation_type = reinterpret_cast<PyTypeObject*>(PyType_FromModuleAndSpec(module, &operation_spec, nullptr));
  return state.operation_type != nullptr && PyModule_AddType(module, state.operation_type) == 0;
}

}  // namespace martlet::python
