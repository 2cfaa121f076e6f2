#include "run.hpp"

#include <martlet/base/processors.hpp>

#include "arguments.hpp"
#include "handle.hpp"

/// `run`, `spawn`, `current`, `tasklets`.
namespace martlet::python {
namespace {

// Whether the interpreter runs Python on one thread at a time.
bool has_gil() {
#ifdef Py_GIL_DISABLED
  PyObject* is_enabled = PySys_GetObject("_is_gil_enabled");  // borrowed
  const object answer = object::take(is_enabled == nullptr ? nullptr : PyObject_CallNoArgs(is_enabled));
  PyErr_Clear();
  return answer.get() == Py_True;
#else
  return true;
#endif
}

// Says that a free-threaded interpreter has its lock on after all.
bool warn_of_gil([[maybe_unused]] bool gil) {
#ifdef Py_GIL_DISABLED
  if (gil) {
    return PyErr_WarnEx(PyExc_RuntimeWarning,
                        "martlet.run: this interpreter could run on all cores, but its global lock is on: an extension "
                        "module that was imported asked for it (or PYTHON_GIL did); tasklets will not run in parallel",
                        1) == 0;
  }
#endif
  return true;
}

// Returns   how many workers a run has that was not told; 0 with an exception set.
unsigned usual_workers(bool gil) {
  try {
    const unsigned asked = detail::workers_from_environment();
    return asked != 0 ? asked : gil ? 1 : base::usable_processors();
  } catch (const misuse& wrong) {
    PyErr_SetString(PyExc_ValueError, wrong.what());
    return 0;
  }
}

}  // namespace

unsigned read_workers(PyObject* given) {
  const bool gil = has_gil();
  if (given == nullptr || given == Py_None) {
    return warn_of_gil(gil) ? usual_workers(gil) : 0;
  }
  const long count = PyLong_AsLong(given);
  if (count == -1 && PyErr_Occurred() != nullptr) {
    return 0;
  }
  if (count < 1 || count > scheduler_options::most_threads) {
    PyErr_Format(PyExc_ValueError, "run(): workers is how many threads run tasklets, from 1 to 4096; found %ld", count);
    return 0;
  }
  return warn_of_gil(gil) ? static_cast<unsigned>(count) : 0;
}

namespace {

PyObject* run_function(PyObject* module, PyObject* const* given, Py_ssize_t count, PyObject* keywords) {
  module_state& state = state_of(module);
  PyObject* workers_given = nullptr;
  if (keywords != nullptr) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(keywords); ++i) {
      if (PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(keywords, i), "workers") != 0) {
        PyErr_Format(PyExc_TypeError, "run() has no argument '%U'; what main needs is given by position",
                     PyTuple_GET_ITEM(keywords, i));
        return nullptr;
      }
      workers_given = given[count + i];
    }
  }
  if (count == 0) {
    PyErr_SetString(PyExc_TypeError, "run() needs a coroutine or a function to run");
    return nullptr;
  }
  const unsigned workers = read_workers(workers_given);
  if (workers == 0) {
    return nullptr;
  }
  try {
    return run_main(std::make_shared<run>(state, workers), given[0], given + 1, count - 1, "run()");
  } catch (...) {
    return raise_what_was_caught(state);
  }
}

PyObject* spawn_function(PyObject* module, PyObject* const* given, Py_ssize_t count, PyObject* keywords) {
  module_state& state = state_of(module);
  spawn_options how;
  if (!read_spawn(count, given, keywords, how)) {
    return nullptr;
  }
  if (tasklet_frame* self = current_tasklet(); self != nullptr) {
    run& all = *self->run_;  // which outlives it
    return refuse_child_of_fork(*self, "spawn()")
               ? nullptr
               : spawn_in(all, all.root(), nullptr, given[0], given + 1, count - 1, how);
  }
  const std::shared_ptr<run> all = run_for_spawn(state);
  return all == nullptr ? nullptr : spawn_in(*all, all->root(), nullptr, given[0], given + 1, count - 1, how);
}

// What `python -m martlet.info` tells of the native part.
PyObject* facts_function(PyObject*, PyObject*) {
  const bool gil = has_gil();
  const unsigned workers = usual_workers(gil);
  return workers == 0 ? nullptr
                      : Py_BuildValue("{s:O,s:I,s:O,s:s}", "gil", gil ? Py_True : Py_False, "workers", workers,
                                      "functions", can_switch_thread_state ? Py_True : Py_False, "switch",
                                      MARTLET_SWITCH_NATIVE ? "native" : "Boost.Context");
}

PyObject* let_loops_block(PyObject* module, PyObject*) {
  state_of(module).may_block_loops.store(true, base::relaxed);
  Py_RETURN_NONE;
}

PyObject* current_function(PyObject*, PyObject*) {
  tasklet_frame* self = current_tasklet();
  return self == nullptr ? Py_NewRef(Py_None) : Py_NewRef(reinterpret_cast<PyObject*>(self->self_));
}

PyObject* tasklets_function(PyObject* module, PyObject*) {
  std::vector<object> found;
  try {
    if (tasklet_frame* self = current_tasklet(); self != nullptr) {
      found = self->run_->tasklets();
    } else if (const std::shared_ptr<run> all = state_of(module).current_run(); all != nullptr) {
      found = all->tasklets();
    }
  } catch (...) {
    return raise_what_was_caught(state_of(module));
  }
  return list_of(std::move(found));
}

bool read_truth(PyObject* value, bool& truth) {
  const int answer = PyObject_IsTrue(value);
  truth = answer > 0;
  return answer >= 0;
}

}  // namespace

bool read_spawn(Py_ssize_t count, PyObject* const* given, PyObject* keywords, spawn_options& how) {
  const Py_ssize_t named = keywords == nullptr ? 0 : PyTuple_GET_SIZE(keywords);
  for (Py_ssize_t i = 0; i < named; ++i) {
    PyObject* keyword = PyTuple_GET_ITEM(keywords, i);
    PyObject* value = given[count + i];
    if (PyUnicode_CompareWithASCIIString(keyword, "name") == 0) {
      how.name = value == Py_None ? nullptr : value;
    } else if (PyUnicode_CompareWithASCIIString(keyword, "pin") == 0) {
      if (!read_truth(value, how.is_pinned)) {
        return false;
      }
    } else if (PyUnicode_CompareWithASCIIString(keyword, "isolated") == 0) {
      if (!read_truth(value, how.is_isolated)) {
        return false;
      }
    } else {
      PyErr_Format(PyExc_TypeError,
                   "spawn() has no argument '%U'; what the tasklet needs is given by position, or with "
                   "functools.partial",
                   keyword);
      return false;
    }
  }
  if (how.name != nullptr && !PyUnicode_Check(how.name)) {
    PyErr_Format(PyExc_TypeError, "spawn(): a name is a str; found %s", Py_TYPE(how.name)->tp_name);
    return false;
  }
  if (count == 0) {
    PyErr_SetString(PyExc_TypeError, "spawn() needs a coroutine or a function");
    return false;
  }
  return true;
}

PyMethodDef run_functions[] = {
    {"run", as_method(run_function), METH_FASTCALL | METH_KEYWORDS,
     "run($module, main, /, *args, workers=None)\n--\n\n"
     "Runs main as a tasklet, on this thread and on the workers', until it has ended.\n\n"
     "Takes     a coroutine, a coroutine function or a plain function, and its arguments; workers is how many threads\n"
     "          run tasklets, this one included: what MARTLET_WORKERS in the environment says, else one per core when the\n"
     "          interpreter has no global lock, else 1.\n"
     "Returns   what main returned. Tasklets that are still there when main ends are cancelled and waited for.\n"
     "Throws    what main raised; KeyboardInterrupt when Ctrl-C was pressed; Misuse inside a tasklet."},
    {"spawn", as_method(spawn_function), METH_FASTCALL | METH_KEYWORDS,
     "spawn($module, what, /, *args, name=None, pin=False, isolated=False)\n--\n\n"
     "Starts a tasklet.\n\n"
     "Takes     a coroutine or a coroutine function, which may change its thread at every await, unless it is pinned to the\n"
     "          one that begins it; or a plain function, which may block anywhere and stays on the thread that begins it.\n"
     "          Context variables are copied.\n"
     "          An isolated one runs in an interpreter of its own, in parallel whether there is a global lock or not, from\n"
     "          Python 3.14 on: a function or coroutine function that a module defines. Its arguments and its result are\n"
     "          copied, but for memoryviews and isolated channels; context variables are not.\n"
     "Returns   its handle, which may be dropped; an error that nobody joins is then reported by sys.unraisablehook.\n"
     "Throws    Misuse when nothing runs tasklets, and for what cannot cross into another interpreter.\n"
     "Suspends  never."},
    {"current", current_function, METH_NOARGS,
     "current($module, /)\n--\n\nReturns the handle of the tasklet that calls, None outside of any."},
    {"_let_loops_block", let_loops_block, METH_NOARGS, nullptr},
    {"_facts", facts_function, METH_NOARGS, nullptr},
    {"tasklets", tasklets_function, METH_NOARGS,
     "tasklets($module, /)\n--\n\n"
     "Returns the handles of all tasklets that have not ended, in no order: of the run that the caller belongs to, on a\n"
     "thread of the latest one; an empty list when there is none. Suspends never."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace martlet::python
