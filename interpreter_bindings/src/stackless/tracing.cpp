#include "tracing.hpp"

#include "watchdog.hpp"

#include <memory>
#include <new>

namespace martlet::python::stackless {
namespace {

// Calls sys.settrace or sys.setprofile; an error of theirs has nobody to go to.
void set_in_sys(const char* name, PyObject* function) {
  PyObject* set = PySys_GetObject(name);
  const object done = object::take(set != nullptr ? PyObject_CallOneArg(set, function) : nullptr);
  if (!done) {
    PyErr_WriteUnraisable(function);
  }
}

tracing* make(tasklet& one) {
  if (one.traced == nullptr) {
    one.traced = new (std::nothrow) tracing;
  }
  return one.traced;
}

struct which {
  const char* setter;
  const char* audited;
  const char* refusal;
  PyObject* _ts::* of_thread;
  Py_tracefunc tracing::* function;
  object tracing::* held;
};

const which trace{
    "settrace",       "sys.settrace",  "You cannot set the trace function of the current tasklet of another thread",
    &_ts::c_traceobj, &tracing::trace, &tracing::trace_object};
const which profile{"setprofile",
                    "sys.setprofile",
                    "You cannot set the profile function of the current tasklet of another thread",
                    &_ts::c_profileobj,
                    &tracing::profile,
                    &tracing::profile_object};

PyObject* get(PyObject* self, void* closure) {
  const which& what = *static_cast<const which*>(closure);
  const tasklet& one = *as_tasklet(self);
  PyObject* function = nullptr;
  if (is_current(one)) {
    function = one.home->state->*what.of_thread;
  } else if (one.traced != nullptr) {
    function = (one.traced->*what.held).get();
  }
  return Py_NewRef(function != nullptr ? function : Py_None);
}

int set(PyObject* self, PyObject* value, void* closure) {
  const which& what = *static_cast<const which*>(closure);
  tasklet& one = *as_tasklet(self);
  if (value == nullptr) {
    value = Py_None;
  }
  if (PySys_Audit(what.audited, nullptr) < 0) {
    return -1;
  }
  if (is_current(one)) {
    if (one.home->state != PyThreadState_Get()) {
      PyErr_SetString(PyExc_RuntimeError, what.refusal);
      return -1;
    }
    PyObject* setter = PySys_GetObject(what.setter);
    const object done = object::take(setter != nullptr ? PyObject_CallOneArg(setter, value) : nullptr);
    return done ? 0 : -1;
  }
  if (value == Py_None && one.traced == nullptr) {
    return 0;
  }
  tracing* kept = make(one);
  if (kept == nullptr) {
    PyErr_NoMemory();
    return -1;
  }
  kept->*what.function = nullptr;
  object before = object::share(value == Py_None ? nullptr : value);
  before.swap(kept->*what.held);
  if (kept->is_empty()) {
    clear_tracing(one);
  }
  return 0;
}

}  // namespace

void leave_tracing(thread& here, tasklet& one) {
  PyThreadState* state = here.state;
  unwatch(here);
  if (tracing* kept = make(one); kept != nullptr) {
    kept->trace = state->c_tracefunc;
    kept->profile = state->c_profilefunc;
    kept->trace_object = object::share(state->c_traceobj);
    kept->profile_object = object::share(state->c_profileobj);
    kept->depth = state->tracing;
  }
  end_tracing(here);
}

void enter_tracing(thread& here, tasklet& one) {
  const std::unique_ptr<tracing> kept(std::exchange(one.traced, nullptr));
  unwatch(here);
  here.state->tracing = kept->depth;  // before what follows, which looks at it: a trace function is not traced itself
  if (kept->trace != nullptr) {
    PyEval_SetTrace(kept->trace, kept->trace_object.get());
  } else if (kept->trace_object) {
    set_in_sys("settrace", kept->trace_object.get());
  }
  if (kept->profile != nullptr) {
    PyEval_SetProfile(kept->profile, kept->profile_object.get());
  } else if (kept->profile_object) {
    set_in_sys("setprofile", kept->profile_object.get());
  }
  watch(here);
}

void end_tracing(thread& here) {
  PyThreadState* state = here.state;
  unwatch(here);
  state->tracing = 0;
  if (state->c_tracefunc != nullptr) {
    PyEval_SetTrace(nullptr, nullptr);
  }
  if (state->c_profilefunc != nullptr) {
    PyEval_SetProfile(nullptr, nullptr);
  }
  watch(here);
}

void clear_tracing(tasklet& one) noexcept { delete std::exchange(one.traced, nullptr); }

PyGetSetDef tracing_attributes[2] = {
    {"trace_function", get, set,
     "The trace function of this tasklet: what sys.gettrace() and sys.settrace() are while it runs.",
     const_cast<which*>(&trace)},
    {"profile_function", get, set, "The profile function of this tasklet, as trace_function.",
     const_cast<which*>(&profile)},
};

}  // namespace martlet::python::stackless
