#include "pickling.hpp"

#include "contexts.hpp"

namespace martlet::python::stackless {
namespace {

// The bits of Stackless's flags.
constexpr int atomic_bit = 1 << 2;
constexpr int nesting_bit = 1 << 3;
constexpr int trap_bit = 1 << 5;
constexpr int zombie_bit = 1 << 6;
constexpr int interrupt_bit = 1 << 7;

// pickle_flags
constexpr unsigned char with_context = 8;

int flags_of(const tasklet& one) noexcept {
  return (one.blocked & 3) | (one.is_atomic ? atomic_bit : 0) | (one.ignores_nesting ? nesting_bit : 0) |
         (one.block_trap ? trap_bit : 0) | (one.is_zombie ? zombie_bit : 0) |
         (one.has_interrupt_pending ? interrupt_bit : 0);
}

PyObject* refuse(const char* text) {
  PyErr_SetString(PyExc_RuntimeError, text);
  return nullptr;
}

}  // namespace

PyObject* reduce(PyObject* self, PyObject* protocol) {
  tasklet& one = *as_tasklet(self);
  if (protocol != nullptr && !PyLong_Check(protocol)) {
    PyErr_SetString(PyExc_TypeError, "__reduce_ex__ argument should be an integer");
    return nullptr;
  }
  if (is_current(one)) {
    return refuse("You cannot __reduce__ the tasklet which is current.");
  }
  if (one.what == stage::started && thread_of(one) != nullptr) {
    return refuse("martlet.stackless: a tasklet that has started cannot be pickled: its frames are on a C stack");
  }
  const object frames = object::take(PyList_New(0));
  if (!frames) {
    return nullptr;
  }
  if (one.what == stage::bound) {
    const object call =
        object::take(Py_BuildValue("(OOO)", one.function, one.args, one.kwargs != nullptr ? one.kwargs : Py_None));
    if (!call || PyList_Append(frames.get(), call.get()) < 0) {
      return nullptr;
    }
  }
  const thread* its = thread_of(one);
  if (its == nullptr || (its->pickle_flags & with_context) == 0) {
    return Py_BuildValue("(O()(iOiOOOOOiiOO))", Py_TYPE(self), flags_of(one), one.value, 0, frames.get(), Py_None,
                         Py_None, Py_None, Py_None, 0, 0, Py_None, Py_None);
  }
  const object context = context_of(one);
  return context ? Py_BuildValue("(O()(iOiOOOOOiiOOO))", Py_TYPE(self), flags_of(one), one.value, 0, frames.get(),
                                 Py_None, Py_None, Py_None, Py_None, 0, 0, Py_None, Py_None, context.get())
                 : nullptr;
}

PyObject* set_state(PyObject* self, PyObject* state) {
  tasklet& one = *as_tasklet(self);
  if (is_alive(one)) {
    return refuse("tasklet is alive");
  }
  int flags = 0;
  int level = 0;
  int tracing = 0;
  int functions = 0;
  PyObject* value = nullptr;
  PyObject* frames = nullptr;
  PyObject* ignored[6] = {};
  PyObject* context = Py_None;
  if (!PyArg_ParseTuple(state, "iOiO!OOOOiiOO|O:tasklet", &flags, &value, &level, &PyList_Type, &frames, &ignored[0],
                        &ignored[1], &ignored[2], &ignored[3], &tracing, &functions, &ignored[4], &ignored[5],
                        &context)) {
    return nullptr;
  }
  if (context != Py_None && !PyContext_CheckExact(context)) {
    PyErr_SetString(PyExc_TypeError, "tasklet state[8] must be a contextvars.Context or None");
    return nullptr;
  }
  if (PyList_GET_SIZE(frames) != 0) {
    PyObject* function = nullptr;
    PyObject* args = nullptr;
    PyObject* kwargs = nullptr;
    if (PyList_GET_SIZE(frames) != 1 || !PyTuple_Check(PyList_GET_ITEM(frames, 0)) ||
        !PyArg_ParseTuple(PyList_GET_ITEM(frames, 0), "OO!O", &function, &PyTuple_Type, &args, &kwargs)) {
      PyErr_Clear();
      PyErr_SetString(PyExc_ValueError, "martlet.stackless: this is no state of a tasklet that has not started");
      return nullptr;
    }
    if (context == Py_None ? !take_current_context(one) : !set_context(one, context)) {
      return nullptr;
    }
    set_value(one, function);
    if (!set_up(one, args, kwargs == Py_None ? nullptr : kwargs, false)) {
      return nullptr;
    }
  } else if (context != Py_None && !set_context(one, context)) {
    return nullptr;
  }
  set_value(one, value);
  one.is_atomic = (flags & atomic_bit) != 0;
  one.ignores_nesting = (flags & nesting_bit) != 0;
  one.block_trap = (flags & trap_bit) != 0;
  one.is_zombie = (flags & zombie_bit) != 0;
  one.has_interrupt_pending = (flags & interrupt_bit) != 0;
  return Py_NewRef(self);
}

}  // namespace martlet::python::stackless
