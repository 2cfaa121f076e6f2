#include "watchdog.hpp"

#include "../arguments.hpp"
#include "schedule.hpp"
#include "tasklet.hpp"

#include <algorithm>

namespace martlet::python::stackless {
namespace {

// How many bytecodes lie between two events, about.
constexpr long bytecodes_per_event = 5;

// After how many bytecodes a tasklet that could not be interrupted is looked at again.
constexpr long until_next_look = 200;

// Something has happened on the thread.
//
// Returns false with an exception set, for the tasklet.
bool count(thread& here) {
  here.bytecodes_left -= bytecodes_per_event;
  return here.bytecodes_left > 0 || interrupt(here);
}

}  // namespace

void begin_slice(thread& here) noexcept { here.bytecodes_left = here.interval; }

void postpone(thread& here) noexcept { here.bytecodes_left = std::min(here.interval, until_next_look); }

void interrupt_soon(thread& here) noexcept { here.bytecodes_left = 0; }

#if PY_VERSION_HEX < 0x030C0000

namespace {

// Stands before the trace function of the program, if there is one, whose object is the thread's.
int trace(PyObject* object, PyFrameObject* frame, int what, PyObject* argument) {
  PyThreadState* state = PyThreadState_Get();
  thread* here = thread::of(state);
  if (here == nullptr) {
    return 0;
  }
  if ((what == PyTrace_LINE || what == PyTrace_CALL) && here->is_timed && !count(*here)) {
    return -1;
  }
  const Py_tracefunc next = here->traced_by;
  return next != nullptr && state->c_tracefunc == &trace ? next(object, frame, what, argument) : 0;
}

void show(PyThreadState* state) noexcept {
  state->cframe->use_tracing =
      state->tracing == 0 && (state->c_tracefunc != nullptr || state->c_profilefunc != nullptr) ? 255 : 0;
}

}  // namespace

void watch(thread& here) noexcept {
  if (here.is_timed && here.state->c_tracefunc != &trace) {
    here.traced_by = std::exchange(here.state->c_tracefunc, &trace);
    show(here.state);
  }
}

void unwatch(thread& here) noexcept {
  if (here.state->c_tracefunc == &trace) {
    here.state->c_tracefunc = std::exchange(here.traced_by, nullptr);
    show(here.state);
  }
}

bool arm(thread& here, long limit) {
  here.is_timed = true;
  here.bytecodes_left = limit;
  watch(here);
  return true;
}

void disarm(thread& here) noexcept {
  unwatch(here);
  here.is_timed = false;
}

#else

void watch(thread&) noexcept {}
void unwatch(thread&) noexcept {}

namespace {

// What sys.monitoring tells. It is one for the interpreter, so other threads come here too.
PyObject* event(PyObject*, PyObject* const*, Py_ssize_t) {
  thread* here = thread::of(PyThreadState_Get());
  return here == nullptr || !here->is_timed || count(*here) ? Py_NewRef(Py_None) : nullptr;
}

PyMethodDef event_function = {"watchdog", as_method(event), METH_FASTCALL, nullptr};

constexpr const char* tool_name = "martlet.stackless";
constexpr const char* event_names[] = {"PY_START", "PY_RESUME", "JUMP"};

// Returns the bits of an event, -1 with an exception set.
long bits_of(PyObject* monitoring, const char* name) {
  const object events = object::take(PyObject_GetAttrString(monitoring, "events"));
  const object bits = object::take(events ? PyObject_GetAttrString(events.get(), name) : nullptr);
  return bits ? PyLong_AsLong(bits.get()) : -1;
}

// Takes one of the six tools that there may be: one that has no use of its own, if it is free.
int take_tool(PyObject* monitoring) {
  for (const int id : {4, 3, 1, 2, 0, 5}) {
    const object done = object::take(PyObject_CallMethod(monitoring, "use_tool_id", "is", id, tool_name));
    if (done) {
      return id;
    }
    if (!PyErr_ExceptionMatches(PyExc_ValueError)) {
      return -1;
    }
    PyErr_Clear();
  }
  PyErr_SetString(PyExc_RuntimeError,
                  "martlet.stackless: run(timeout) counts by sys.monitoring, whose six tools are all in use; free one");
  return -1;
}

bool set_callbacks(PyObject* monitoring, int tool, PyObject* callback, long& all) {
  for (const char* name : event_names) {
    const long bits = bits_of(monitoring, name);
    const object before =
        object::take(bits < 0 ? nullptr
                              : PyObject_CallMethod(monitoring, "register_callback", "ilO", tool, bits, callback));
    if (!before) {
      return false;
    }
    all |= bits;
  }
  return true;
}

bool set_events(PyObject* monitoring, int tool, long events) {
  const object done = object::take(PyObject_CallMethod(monitoring, "set_events", "il", tool, events));
  return static_cast<bool>(done);
}

bool begin_to_listen(layer& home) {
  PyObject* monitoring = PySys_GetObject("monitoring");
  const object callback = object::take(PyCFunction_New(&event_function, nullptr));
  if (monitoring == nullptr || !callback) {
    return false;
  }
  home.tool = take_tool(monitoring);
  long events = 0;
  return home.tool >= 0 && set_callbacks(monitoring, home.tool, callback.get(), events) &&
         set_events(monitoring, home.tool, events);
}

void end_to_listen(layer& home) {
  const error_set_aside error;
  PyObject* monitoring = PySys_GetObject("monitoring");
  const int tool = std::exchange(home.tool, -1);
  if (monitoring == nullptr || tool < 0) {
    return;
  }
  long events = 0;
  const bool is_silent = set_events(monitoring, tool, 0) && set_callbacks(monitoring, tool, Py_None, events);
  const object done = object::take(is_silent ? PyObject_CallMethod(monitoring, "free_tool_id", "i", tool) : nullptr);
  if (!done) {
    PyErr_WriteUnraisable(monitoring);
  }
}

// Guards who listens; what is done under it may run Python, and stop other threads.
class listening {
 public:
  explicit listening(layer& home) noexcept : home_(home) {
#ifdef Py_GIL_DISABLED
    PyMutex_Lock(&home_.listening);
#endif
  }
  listening(const listening&) = delete;
  listening& operator=(const listening&) = delete;
  ~listening() {
#ifdef Py_GIL_DISABLED
    PyMutex_Unlock(&home_.listening);
#endif
  }

 private:
  [[maybe_unused]] layer& home_;
};

}  // namespace

bool arm(thread& here, long limit) {
  const listening mark(here.home);
  if (here.home.timed == 0 && !begin_to_listen(here.home)) {
    end_to_listen(here.home);
    return false;
  }
  ++here.home.timed;
  here.is_timed = true;
  here.bytecodes_left = limit;
  return true;
}

void disarm(thread& here) noexcept {
  here.is_timed = false;
  const listening mark(here.home);
  if (--here.home.timed == 0) {
    end_to_listen(here.home);
  }
}

#endif

}  // namespace martlet::python::stackless
