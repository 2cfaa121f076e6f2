#include "tasklet.hpp"

#include "../arguments.hpp"
#include "bomb.hpp"
#include "channel.hpp"
#include "frames.hpp"
#include "schedule.hpp"
#include "tracing.hpp"

#include <structmember.h>
#include <time.h>

/// The object itself: how it is made, what a collector finds in it, how it goes.
namespace martlet::python::stackless {

extern PyMethodDef tasklet_methods[];
extern PyGetSetDef tasklet_attributes[];

namespace {

PyObject* create(PyTypeObject* type, PyObject*, PyObject*) {
  thread* mine = thread::here(layer_of(type));
  tasklet* made = mine != nullptr ? new_tasklet(type, *mine) : nullptr;
  return made != nullptr ? made->self() : nullptr;
}

int initialise(PyObject* self, PyObject* args, PyObject* kwargs) {
  static const char* names[] = {"func", "args", "kwargs", nullptr};
  PyObject* given[3] = {Py_None, Py_None, Py_None};
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OOO:tasklet", const_cast<char**>(names), &given[0], &given[1],
                                   &given[2])) {
    return -1;
  }
  return bind(*as_tasklet(self), given[0], given[1], given[2]) ? 0 : -1;
}

// tasklet(function), as it is written nearly always.
PyObject* create_fast(PyObject* type, PyObject* const* args, std::size_t counted, PyObject* keywords) {
  const Py_ssize_t count = PyVectorcall_NARGS(counted);
  arguments<3> parsed("tasklet", {"func", "args", "kwargs"}, 3, 0);
  if (!parsed.parse(args, count, keywords)) {
    return nullptr;
  }
  object made = object::take(create(reinterpret_cast<PyTypeObject*>(type), nullptr, nullptr));
  const auto given = [&parsed](std::size_t i) { return parsed[i] != nullptr ? parsed[i] : Py_None; };
  return made && bind(*as_tasklet(made.get()), given(0), given(1), given(2)) ? made.release() : nullptr;
}

// One that is suspended owns what its frames do; one that runs is looked at by the interpreter.
int traverse(PyObject* self, visitproc visit, void* arg) {
  tasklet& one = *as_tasklet(self);
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(one.value);
  Py_VISIT(one.function);
  Py_VISIT(one.args);
  Py_VISIT(one.kwargs);
  Py_VISIT(one.context);
  if (one.waits_for != nullptr) {
    Py_VISIT(one.waits_for->self());
  }
  if (one.traced != nullptr) {
    Py_VISIT(one.traced->trace_object.get());
    Py_VISIT(one.traced->profile_object.get());
  }
  const thread* its = thread_of(one);  // of one whose thread has ended nobody knows whether it was suspended
  if (its != nullptr && one.what == stage::started && one.stack != &its->own && !is_current(one)) {
    const saved_thread_state& state = one.stack->state;
    Py_VISIT(state.context);
    Py_VISIT(state.exc_state.exc_value);
    return frames::visit(state, one.arguments, visit, arg);
  }
  return 0;
}

// What has started goes with its stack.
int clear(PyObject* self) {
  tasklet& one = *as_tasklet(self);
  if (one.what == stage::started) {
    return 0;
  }
  one.what = stage::none;
  set_value(one, Py_None);
  Py_CLEAR(one.function);
  Py_CLEAR(one.args);
  Py_CLEAR(one.kwargs);
  Py_CLEAR(one.context);
  clear_tracing(one);
  return 0;
}

// Gives a tasklet that cannot be killed to gc.garbage: its stack refers to it, and its stack cannot go.
void keep_for_ever(PyObject* self) {
  set_value(*as_tasklet(self), Py_None);
  const object collector = object::take(PyImport_ImportModule("gc"));
  const object garbage = object::take(collector ? PyObject_GetAttrString(collector.get(), "garbage") : nullptr);
  if (!garbage || !PyList_Check(garbage.get()) || PyList_Append(garbage.get(), self) < 0) {
    PyErr_Clear();
    Py_INCREF(self);  // the interpreter is about to end
  }
}

// Kills a tasklet that nobody has any more, if it has started: what it holds has to be let go by its own functions. It may resist,
// or belong to another thread, which then kills it in its turn: both give it new references.
void finalize(PyObject* self) {
  tasklet& one = *as_tasklet(self);
  const error_set_aside error;
  thread* mine = one.what == stage::started ? thread_of(one) : nullptr;
  if (mine == nullptr || &one == mine->main) {
    return;
  }
  const bool is_here = mine->state == PyThreadState_Get();
  one.is_zombie = true;
#ifdef Py_GIL_DISABLED
  if (!is_here) {  // who has it deallocated still counts its references: its own thread must not have it before that has ended
    thread* caller = thread::here(mine->home);
    if (caller != nullptr) {
      caller->orphans.push_back(object::share(self));
    } else {
      PyErr_Clear();
      keep_for_ever(self);
    }
    return;
  }
#endif
  for (int tries = 0; tries < 10 && one.what == stage::started; ++tries) {
    Py_XDECREF(kill(one, false));
    PyErr_Clear();
    if (!is_here) {
      return;
    }
  }
  if (one.what == stage::started && one.where == place::nowhere) {
    keep_for_ever(self);
  }
}

void dealloc(PyObject* self) {
  tasklet& one = *as_tasklet(self);
  PyTypeObject* type = Py_TYPE(self);
  layer& home = one.home->home;
  if (type == home.tasklet_type) {
    if (PyObject_CallFinalizerFromDealloc(self) < 0) {
      return;  // it lives again
    }
  } else if (one.what == stage::started && thread_of(one) != nullptr) {  // a derived class has a __del__ of its own
    Py_SET_REFCNT(self, 1);
    finalize(self);
    if (Py_REFCNT(self) > 1 || one.what == stage::started) {
      return;  // what its class adds has gone already: it stays for ever
    }
    Py_SET_REFCNT(self, 0);
  }
  PyObject_GC_UnTrack(self);
  if (one.weak_references != nullptr) {
    PyObject_ClearWeakRefs(self);
  }
  clear(self);
  clear_tracing(one);
  Py_CLEAR(one.value);
  Py_XDECREF(reinterpret_cast<PyObject*>(one.made_by));
  {
    const guard held(chains);
    --home.alive;
  }
  one.home->let_go();
  type->tp_free(self);
  Py_DECREF(type);
}

PyMemberDef members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(tasklet, weak_references), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr},
};

PyObject* call(PyObject* self, PyObject* args, PyObject* kwargs) {
  tasklet& one = *as_tasklet(self);
  if (is_alive(one)) {
    PyErr_SetString(PyExc_RuntimeError, "tasklet is alive");
    return nullptr;
  }
  return set_up(one, args, kwargs, true) ? Py_NewRef(self) : nullptr;
}

PyType_Slot slots[] = {
    {Py_tp_doc,
     const_cast<char*>("tasklet(func=None, args=None, kwargs=None)\n--\n\n"
                       "A function that runs when its turn comes, on a stack of its own.\n\n"
                       "tasklet(func)(*args, **kwargs) makes it runnable; with args or kwargs here it is paused.")},
    {Py_tp_new, reinterpret_cast<void*>(create)},
    {Py_tp_init, reinterpret_cast<void*>(initialise)},
    {Py_tp_call, reinterpret_cast<void*>(call)},
    {Py_tp_dealloc, reinterpret_cast<void*>(dealloc)},
    {Py_tp_finalize, reinterpret_cast<void*>(finalize)},
    {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
    {Py_tp_clear, reinterpret_cast<void*>(clear)},
    {Py_tp_methods, tasklet_methods},
    {Py_tp_getset, tasklet_attributes},
    {Py_tp_members, members},
    {0, nullptr},
};

PyType_Spec spec = {"martlet.stackless.tasklet", static_cast<int>(sizeof(tasklet)), 0,
                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE, slots};

}  // namespace

tasklet* new_tasklet(PyTypeObject* type, thread& its) {
  auto* made = as_tasklet(type->tp_alloc(type, 0));
  if (made == nullptr) {
    return nullptr;
  }
  made->value = Py_NewRef(Py_None);
  made->home = &its;
  its.keep();
  const frames::position at = frames::innermost(its.state);
  made->made_by = at.code;
  made->made_at = at.offset;
  const guard held(chains);
  ++its.home.made;
  ++its.home.alive;
  return made;
}

std::int64_t now() noexcept {
  timespec at{};
  clock_gettime(CLOCK_REALTIME, &at);
  return std::int64_t{at.tv_sec} * 1'000'000'000 + at.tv_nsec;
}

void set_value(tasklet& one, PyObject* borrowed) noexcept {
  object before = object::share(borrowed);
  const guard held(chains);
  before = object::take(std::exchange(one.value, before.release()));
}

bool make_tasklet_type(PyObject* module, layer& home) {
  home.tasklet_type = reinterpret_cast<PyTypeObject*>(PyType_FromModuleAndSpec(module, &spec, nullptr));
  if (home.tasklet_type == nullptr) {
    return false;
  }
  home.tasklet_type->tp_vectorcall = &create_fast;  // a derived class has none, and goes through tp_new and tp_init
  return PyModule_AddType(module, home.tasklet_type) == 0;
}

}  // namespace martlet::python::stackless
