#include "../arguments.hpp"
#include "bomb.hpp"
#include "contexts.hpp"
#include "crew.hpp"
#include "pickling.hpp"
#include "schedule.hpp"
#include "tasklet.hpp"

/// The methods of `stackless.tasklet`.
namespace martlet::python::stackless {
namespace {

PyObject* self_or_null(PyObject* self, bool is_done) { return is_done ? Py_NewRef(self) : nullptr; }

// Returns whether a call without arguments had none.
bool takes_none(const char* call, Py_ssize_t count) {
  if (count != 0) {
    PyErr_Format(PyExc_TypeError, "%s() takes no arguments (%zd given)", call, count);
  }
  return count == 0;
}

// Notes where the value stack of the caller's frame ends.
void note(PyObject* self, PyObject* const* end) {
  const thread* here = thread::here(as_tasklet(self)->home->home);
  if (here != nullptr) {
    here->running().arguments = end;
  } else {
    PyErr_Clear();
  }
}

PyObject* bind_call(PyObject* self, PyObject* args, PyObject* kwargs) {
  static const char* names[] = {"func", "args", "kwargs", nullptr};
  PyObject* given[3] = {Py_None, Py_None, Py_None};
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OOO:bind", const_cast<char**>(names), &given[0], &given[1],
                                   &given[2])) {
    return nullptr;
  }
  return self_or_null(self, bind(*as_tasklet(self), given[0], given[1], given[2]));
}

PyObject* set_up_call(PyObject* self, PyObject* args, PyObject* kwargs) {
  if (is_alive(*as_tasklet(self))) {
    PyErr_SetString(PyExc_RuntimeError, "tasklet is alive");
    return nullptr;
  }
  return self_or_null(self, set_up(*as_tasklet(self), args, kwargs, true));
}

PyObject* insert_call(PyObject* self, PyObject*) { return self_or_null(self, insert(*as_tasklet(self))); }

PyObject* remove_call(PyObject* self, PyObject*) { return self_or_null(self, remove(*as_tasklet(self))); }

PyObject* run_call(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  note(self, args);
  return takes_none("run", count) ? run_or_switch(*as_tasklet(self), false) : nullptr;
}

PyObject* switch_call(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  note(self, args);
  return takes_none("switch", count) ? run_or_switch(*as_tasklet(self), true) : nullptr;
}

PyObject* throw_call(PyObject* self, PyObject* args, PyObject* kwargs) {
  static const char* names[] = {"exc", "val", "tb", "pending", nullptr};
  PyObject* given[3] = {nullptr, Py_None, Py_None};
  int is_pending = 0;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|OOp:throw", const_cast<char**>(names), &given[0], &given[1],
                                   &given[2], &is_pending)) {
    return nullptr;
  }
  tasklet& one = *as_tasklet(self);
  object what = make_bomb(one.home->home, given[0], given[1], given[2]);
  return what ? throw_into(one, std::move(what), is_pending != 0) : nullptr;
}

PyObject* raise_exception(PyObject* self, PyObject* args) {
  const Py_ssize_t count = PyTuple_GET_SIZE(args);
  if (count == 0) {
    PyErr_SetString(PyExc_TypeError, "raise_exception() takes at least 1 argument");
    return nullptr;
  }
  tasklet& one = *as_tasklet(self);
  const object values = object::take(PyTuple_GetSlice(args, 1, count));
  object what =
      values ? make_bomb(one.home->home, PyTuple_GET_ITEM(args, 0), values.get(), "tasklet.raise_exception") : object();
  return what ? throw_into(one, std::move(what), false) : nullptr;
}

PyObject* kill_call(PyObject* self, PyObject* args, PyObject* kwargs) {
  static const char* names[] = {"pending", nullptr};
  int is_pending = 0;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|p:kill", const_cast<char**>(names), &is_pending)) {
    return nullptr;
  }
  return kill(*as_tasklet(self), is_pending != 0);
}

PyObject* set_flag(PyObject* self, PyObject* flag, int (*set)(tasklet&, bool), const char* refusal) {
  if (!PyLong_Check(flag)) {
    PyErr_SetString(PyExc_TypeError, refusal);
    return nullptr;
  }
  return PyBool_FromLong(set(*as_tasklet(self), PyObject_IsTrue(flag) != 0));
}

PyObject* set_atomic_call(PyObject* self, PyObject* flag) {
  return set_flag(self, flag, &set_atomic, "set_atomic needs exactly one bool or integer");
}

PyObject* set_ignore_nesting_call(PyObject* self, PyObject* flag) {
  return set_flag(self, flag, &set_ignore_nesting, "set_ignore_nesting needs exactly one bool or integer");
}

PyObject* bind_thread_call(PyObject* self, PyObject* args) {
  PyObject* given = nullptr;
  if (!PyArg_ParseTuple(args, "|O!:bind_thread", &PyLong_Type, &given)) {
    return nullptr;
  }
  tasklet& one = *as_tasklet(self);
  thread* here = thread::here(one.home->home);
  if (here == nullptr) {
    return nullptr;
  }
  int overflow = 0;
  const bool is_here = given == nullptr || (PyLong_AsLongAndOverflow(given, &overflow) == -1 && overflow == 0);
  if (is_here) {
    claim(one, *here);
    one.may_spread = one.may_spread && one.home != here;  // it stays
    return one.home == here || bind_thread(one, *here) ? Py_NewRef(Py_None) : nullptr;
  }
  const unsigned long id = PyLong_AsUnsignedLong(given);
  if (PyErr_Occurred() != nullptr) {
    if (!PyErr_ExceptionMatches(PyExc_OverflowError)) {
      return nullptr;
    }
    PyErr_Clear();
  }
  const thread_reference there = find_thread(one.home->home, id);
  if (!there) {
    PyErr_SetString(PyExc_ValueError, "bad thread");
    return nullptr;
  }
  return bind_thread(one, *there) ? Py_NewRef(Py_None) : nullptr;
}

PyObject* set_context_call(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* keywords) {
  arguments<1> parsed("set_context", {"context"}, 1, 1);
  if (!parsed.parse(args, count, keywords)) {
    return nullptr;
  }
  if (!PyContext_CheckExact(parsed[0])) {
    PyErr_Format(PyExc_TypeError, "set_context() argument 'context' must be Context, not %s",
                 Py_TYPE(parsed[0])->tp_name);
    return nullptr;
  }
  return self_or_null(self, set_context(*as_tasklet(self), parsed[0]));
}

PyObject* context_run(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* keywords) {
  return run_in_context(*as_tasklet(self), args, count, keywords);
}

PyObject* reduce_call(PyObject* self, PyObject*) { return reduce(self, nullptr); }

}  // namespace

extern PyMethodDef tasklet_methods[];

PyMethodDef tasklet_methods[] = {
    {"bind", as_method(bind_call), METH_VARARGS | METH_KEYWORDS,
     "bind(func=None, args=None, kwargs=None)\n--\n\nGives the tasklet a function, or with args or kwargs the arguments too: it is alive "
     "and paused then. bind(None) takes all away; no handler of what it has started runs."},
    {"setup", as_method(set_up_call), METH_VARARGS | METH_KEYWORDS,
     "setup(*args, **kwargs)\n--\n\nGives the function its arguments and makes the tasklet runnable."},
    {"insert", insert_call, METH_NOARGS, "insert()\n--\n\nMakes the tasklet runnable, behind all others."},
    {"remove", remove_call, METH_NOARGS, "remove()\n--\n\nTakes the tasklet out of the runnables."},
    {"run", as_method(run_call), METH_FASTCALL,
     "run()\n--\n\nGoes on with this tasklet now; the caller stays runnable. One of another thread is made the next one there."},
    {"switch", as_method(switch_call), METH_FASTCALL,
     "switch()\n--\n\nGoes on with this tasklet now, and takes the caller out of the runnables. Within one thread only."},
    {"throw", as_method(throw_call), METH_VARARGS | METH_KEYWORDS,
     "throw(exc, val=None, tb=None, pending=False)\n--\n\nRaises an exception in the tasklet, now; when pending, it is only made "
     "runnable."},
    {"raise_exception", raise_exception, METH_VARARGS,
     "raise_exception(exc, /, *args)\n--\n\nRaises exc(*args) in the tasklet, now."},
    {"kill", as_method(kill_call), METH_VARARGS | METH_KEYWORDS,
     "kill(pending=False)\n--\n\nRaises TaskletExit in the tasklet, which ends it unless it catches that."},
    {"set_atomic", set_atomic_call, METH_O,
     "set_atomic(flag, /)\n--\n\nSays whether the tasklet must not be interrupted, and returns what was said before."},
    {"set_ignore_nesting", set_ignore_nesting_call, METH_O,
     "set_ignore_nesting(flag, /)\n--\n\nSays whether the tasklet may be interrupted below C functions, and returns what was said "
     "before."},
    {"bind_thread", bind_thread_call, METH_VARARGS,
     "bind_thread(thread_id=-1, /)\n--\n\nMoves a tasklet that has not started to another thread, to this one by default. It stays there."},
    {"set_context", as_method(set_context_call), METH_FASTCALL | METH_KEYWORDS,
     "set_context(context)\n--\n\nGives the tasklet another context (contextvars), and returns the tasklet."},
    {"context_run", as_method(context_run), METH_FASTCALL | METH_KEYWORDS,
     "context_run(callable, /, *args, **kwargs)\n--\n\nCalls a function in the tasklet's context."},
    {"__reduce__", reduce_call, METH_NOARGS, nullptr},
    {"__reduce_ex__", reduce, METH_O, nullptr},
    {"__setstate__", set_state, METH_O, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace martlet::python::stackless
