#include "c_api.hpp"

#include <memory>
#include <new>

/// What `<martlet/stackless.h>` has of tasklets.
namespace martlet::python::stackless::c_api {
namespace {

// What a callable of C's is.
struct c_function {
  martlet_stackless_function function;
  void* data;
  void (*release)(void*);

  ~c_function() {
    if (release != nullptr) {
      release(data);
    }
  }
};

constexpr const char* function_name = "martlet.stackless.c_function";

PyObject* call_c_function(PyObject* capsule, PyObject* args) {
  auto* called = static_cast<c_function*>(PyCapsule_GetPointer(capsule, function_name));
  PyObject* result = called->function(called->data, args);
  if (result == nullptr && PyErr_Occurred() == nullptr) {
    PyErr_SetString(PyExc_SystemError, "a function of callable_new returned NULL without setting an exception");
  }
  return result;
}

PyMethodDef function_definition = {"c_function", call_c_function, METH_VARARGS, nullptr};

PyObject* new_callable(martlet_stackless_function function, void* data, void (*release)(void*)) {
  auto made = std::unique_ptr<c_function>(new (std::nothrow) c_function{function, data, release});
  if (made == nullptr) {
    if (release != nullptr) {
      release(data);
    }
    return PyErr_NoMemory();
  }
  if (!may_run()) {
    return nullptr;
  }
  if (function == nullptr) {
    PyErr_SetString(PyExc_TypeError, "martlet.stackless: callable_new needs a function, not NULL");
    return nullptr;
  }
  const object capsule = object::take(PyCapsule_New(made.get(), function_name, [](PyObject* self) {
    delete static_cast<c_function*>(PyCapsule_GetPointer(self, function_name));
  }));
  if (!capsule) {
    return nullptr;
  }
  static_cast<void>(made.release());  // the capsule's
  return PyCFunction_New(&function_definition, capsule.get());
}

// Reads arguments for a function: null is none.
//
// Returns null with an exception set.
object read_arguments(PyObject* args, PyObject* kwargs) {
  if (args != nullptr && !PyTuple_Check(args)) {
    PyErr_SetString(PyExc_TypeError, "tasklet args must be a tuple or None");
    return {};
  }
  if (kwargs != nullptr && !PyDict_Check(kwargs)) {
    PyErr_SetString(PyExc_TypeError, "tasklet kwargs must be a dictionary or None");
    return {};
  }
  return args != nullptr ? object::share(args) : object::take(PyTuple_New(0));
}

int set_up_with(tasklet& one, PyObject* args, PyObject* kwargs) {
  if (!may_run()) {
    return -1;
  }
  if (is_alive(one)) {
    PyErr_SetString(PyExc_RuntimeError, "tasklet is alive");
    return -1;
  }
  const object given = read_arguments(args, kwargs);
  return given && set_up(one, given.get(), kwargs, true) ? 0 : -1;
}

PyObject* spawn(PyObject* function, PyObject* args, PyObject* kwargs) {
  thread* mine = may_run() && is_given(function, "tasklet_spawn", "a callable") ? here() : nullptr;
  tasklet* made = mine != nullptr ? new_tasklet(mine->home.tasklet_type, *mine) : nullptr;
  object kept = object::take(made != nullptr ? made->self() : nullptr);
  if (!kept || !bind(*made, function, nullptr, nullptr) || set_up_with(*made, args, kwargs) < 0) {
    return nullptr;
  }
  return kept.release();
}

int bind_to_thread(PyObject* given, unsigned long id) {
  tasklet* one = tasklet_of(given, "tasklet_bind_thread");
  if (one == nullptr) {
    return -1;
  }
  const thread_reference there = find_thread(one->home->home, id);
  if (!there) {
    PyErr_SetString(PyExc_ValueError, "bad thread");
    return -1;
  }
  return one->home == &*there || bind_thread(*one, *there) ? 0 : -1;
}

int run_or_switch_to(PyObject* given, bool removes_caller, const char* call) {
  tasklet* one = tasklet_of(given, call);
  const object result =
      object::take(one != nullptr && may_run() && here() != nullptr ? run_or_switch(*one, removes_caller) : nullptr);
  return result ? 0 : -1;
}

// Throws what has been made, if it has.
int throw_made(tasklet* one, object made, bool is_pending) {
  const object result = object::take(made ? throw_into(*one, std::move(made), is_pending) : nullptr);
  return result ? 0 : -1;
}

// Reads one of the tasklet's claims.
template <class Claim>
int ask(PyObject* given, const char* call, Claim claim) {
  tasklet* one = tasklet_of(given, call);
  return one == nullptr ? -1 : claim(*one) ? 1 : 0;
}

void add_making(martlet_stackless_api& to) {
  to.callable_new = &new_callable;
  to.tasklet_new = [](PyTypeObject* type, PyObject* function) -> PyObject* {
    layer* home = find_layer();
    return home != nullptr ? make(type, home->tasklet_type, function, "tasklet_new") : nullptr;
  };
  to.tasklet_spawn = &spawn;
  to.tasklet_bind = [](PyObject* given, PyObject* function, PyObject* args, PyObject* kwargs) {
    tasklet* one = tasklet_of(given, "tasklet_bind");
    return one != nullptr && may_run() && bind(*one, function, args, kwargs) ? 0 : -1;
  };
  to.tasklet_setup = [](PyObject* given, PyObject* args, PyObject* kwargs) {
    tasklet* one = tasklet_of(given, "tasklet_setup");
    return one != nullptr ? set_up_with(*one, args, kwargs) : -1;
  };
  to.tasklet_bind_thread = &bind_to_thread;
  to.tasklet_insert = [](PyObject* given) {
    tasklet* one = tasklet_of(given, "tasklet_insert");
    return one != nullptr && insert(*one) ? 0 : -1;
  };
  to.tasklet_remove = [](PyObject* given) {
    tasklet* one = tasklet_of(given, "tasklet_remove");
    return one != nullptr && remove(*one) ? 0 : -1;
  };
}

void add_claims(martlet_stackless_api& to) {
  to.tasklet_check = [](PyObject* given) { return is_of(given, &layer::tasklet_type) ? 1 : 0; };
  to.tasklet_alive = [](PyObject* given) { return ask(given, "tasklet_alive", &is_alive); };
  to.tasklet_paused = [](PyObject* given) { return ask(given, "tasklet_paused", &is_paused); };
  to.tasklet_blocked = [](PyObject* given) {
    return ask(given, "tasklet_blocked", [](const tasklet& one) { return one.blocked != 0; });
  };
  to.tasklet_scheduled = [](PyObject* given) { return ask(given, "tasklet_scheduled", &is_scheduled); };
  to.tasklet_restorable = [](PyObject* given) {
    tasklet* one = tasklet_of(given, "tasklet_restorable");
    const int level = one != nullptr ? nesting_level(*one) : -1;
    return level < 0 ? -1 : level == 0 ? 1 : 0;
  };
  to.tasklet_is_main = [](PyObject* given) { return ask(given, "tasklet_is_main", &is_main); };
  to.tasklet_is_current = [](PyObject* given) { return ask(given, "tasklet_is_current", &is_current); };
}

void add_flags(martlet_stackless_api& to) {
  to.tasklet_set_atomic = [](PyObject* given, int flag) {
    tasklet* one = tasklet_of(given, "tasklet_set_atomic");
    return one != nullptr ? set_atomic(*one, flag != 0) : -1;
  };
  to.tasklet_get_atomic = [](PyObject* given) {
    return ask(given, "tasklet_get_atomic", [](const tasklet& one) { return one.is_atomic; });
  };
  to.tasklet_set_ignore_nesting = [](PyObject* given, int flag) {
    tasklet* one = tasklet_of(given, "tasklet_set_ignore_nesting");
    return one != nullptr ? set_ignore_nesting(*one, flag != 0) : -1;
  };
  to.tasklet_get_ignore_nesting = [](PyObject* given) {
    return ask(given, "tasklet_get_ignore_nesting", [](const tasklet& one) { return one.ignores_nesting; });
  };
  to.tasklet_set_block_trap = [](PyObject* given, int flag) {
    return ask(given, "tasklet_set_block_trap",
               [flag](tasklet& one) { return std::exchange(one.block_trap, flag != 0); });
  };
  to.tasklet_get_block_trap = [](PyObject* given) {
    return ask(given, "tasklet_get_block_trap", [](const tasklet& one) { return one.block_trap; });
  };
}

void add_figures(martlet_stackless_api& to) {
  to.tasklet_get_recursion_depth = [](PyObject* given) {
    tasklet* one = tasklet_of(given, "tasklet_get_recursion_depth");
    return one != nullptr ? recursion_depth(*one) : -1;
  };
  to.tasklet_get_nesting_level = [](PyObject* given) {
    tasklet* one = tasklet_of(given, "tasklet_get_nesting_level");
    return one != nullptr ? nesting_level(*one) : -1;
  };
  to.tasklet_get_frame = [](PyObject* given) -> PyObject* {
    return tasklet_of(given, "tasklet_get_frame") != nullptr && may_run() ? PyObject_GetAttrString(given, "frame")
                                                                          : nullptr;
  };
  to.tasklet_get_times_switched_to = [](PyObject* given) -> PyObject* {
    const tasklet* one = tasklet_of(given, "tasklet_get_times_switched_to");
    return one != nullptr ? PyLong_FromUnsignedLongLong(one->times_switched_to) : nullptr;
  };
}

void add_switching(martlet_stackless_api& to) {
  to.tasklet_run = [](PyObject* given) { return run_or_switch_to(given, false, "tasklet_run"); };
  to.tasklet_switch = [](PyObject* given) { return run_or_switch_to(given, true, "tasklet_switch"); };
  to.tasklet_throw = [](PyObject* given, PyObject* type, PyObject* value, PyObject* traceback, int is_pending) {
    tasklet* one = tasklet_of(given, "tasklet_throw");
    return one != nullptr
               ? throw_made(one, bomb_of(one->home->home, type, value, traceback, "tasklet_throw"), is_pending != 0)
               : -1;
  };
  to.tasklet_raise_exception = [](PyObject* given, PyObject* type, PyObject* args) {
    constexpr const char* call = "tasklet_raise_exception";
    tasklet* one = tasklet_of(given, call);
    return one != nullptr
               ? throw_made(one, bomb_of(one->home->home, type, args, call, "tasklet.raise_exception"), false)
               : -1;
  };
  to.tasklet_kill = [](PyObject* given, int is_pending) {
    tasklet* one = tasklet_of(given, "tasklet_kill");
    const object result = object::take(one != nullptr && may_run() ? kill(*one, is_pending != 0) : nullptr);
    return result ? 0 : -1;
  };
}

}  // namespace

void add_tasklets(martlet_stackless_api& to) {
  add_making(to);
  add_claims(to);
  add_flags(to);
  add_figures(to);
  add_switching(to);
}

}  // namespace martlet::python::stackless::c_api
