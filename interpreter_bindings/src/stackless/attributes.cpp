#include "channel.hpp"
#include "contexts.hpp"
#include "frames.hpp"
#include "tasklet.hpp"
#include "tracing.hpp"

/// The attributes of `stackless.tasklet`.
namespace martlet::python::stackless {
namespace {

PyObject* boolean(bool is_true) { return PyBool_FromLong(is_true ? 1 : 0); }

PyObject* or_none(tasklet* one) { return Py_NewRef(one != nullptr ? one->self() : Py_None); }

// Tasklets' flags, each as a function of one.
template <auto Predicate>
PyObject* flag(PyObject* self, void*) {
  const guard held(chains);
  return boolean(Predicate(*as_tasklet(self)));
}

PyObject* get_next(PyObject* self, void*) {
  const guard held(chains);
  return or_none(as_tasklet(self)->next);
}

PyObject* get_prev(PyObject* self, void*) {
  const guard held(chains);
  return or_none(as_tasklet(self)->prev);
}

PyObject* get_channel(PyObject* self, void*) {
  const guard held(chains);
  channel* where = as_tasklet(self)->queue;
  return Py_NewRef(where != nullptr ? where->self() : Py_None);
}

PyObject* get_value(PyObject* self, void*) {
  const guard held(chains);
  return Py_NewRef(as_tasklet(self)->value);
}

int put_value(PyObject* self, PyObject* value, void*) {
  set_value(*as_tasklet(self), value != nullptr ? value : Py_None);
  return 0;
}

PyObject* get_block_trap(PyObject* self, void*) { return boolean(as_tasklet(self)->block_trap); }

int set_block_trap(PyObject* self, PyObject* value, void*) {
  if (value == nullptr || !PyLong_Check(value)) {
    PyErr_SetString(PyExc_TypeError, "block_trap must be set to a bool or integer");
    return -1;
  }
  as_tasklet(self)->block_trap = PyObject_IsTrue(value) != 0;
  return 0;
}

PyObject* get_thread_id(PyObject* self, void*) {
  unsigned long id = 0;
  {
    const guard held(chains);
    const thread* its = thread_of(*as_tasklet(self));
    id = its != nullptr ? its->id : 0;
  }
  return id != 0 ? PyLong_FromUnsignedLong(id) : PyLong_FromLong(-1);
}

PyObject* get_frame(PyObject* self, void*) {
  if (PySys_Audit("sys._getframe", nullptr) < 0) {
    return nullptr;
  }
  object found = frame_of(*as_tasklet(self));
  return found || PyErr_Occurred() != nullptr ? found.release() : Py_NewRef(Py_None);
}

PyObject* number_or_null(int number) { return number < 0 ? nullptr : PyLong_FromLong(number); }

PyObject* get_recursion_depth(PyObject* self, void*) { return number_or_null(recursion_depth(*as_tasklet(self))); }

PyObject* get_nesting_level(PyObject* self, void*) { return number_or_null(nesting_level(*as_tasklet(self))); }

PyObject* get_restorable(PyObject* self, void*) {
  const int level = nesting_level(*as_tasklet(self));
  return level < 0 ? nullptr : boolean(level == 0);
}

PyObject* get_context_id(PyObject* self, void*) {
  const object context = context_of(*as_tasklet(self));
  return context ? PyLong_FromVoidPtr(context.get()) : nullptr;
}

PyObject* get_callsite(PyObject* self, void*) {
  const tasklet& one = *as_tasklet(self);
  if (one.made_by == nullptr) {
    return PyUnicode_FromString("");
  }
  return PyUnicode_FromFormat("%U:%d in %U", one.made_by->co_filename, PyCode_Addr2Line(one.made_by, one.made_at),
                              one.made_by->co_qualname);
}

PyObject* get_times_switched_to(PyObject* self, void*) {
  return PyLong_FromUnsignedLongLong(as_tasklet(self)->times_switched_to);
}

PyObject* get_start_time(PyObject* self, void*) { return PyLong_FromLongLong(as_tasklet(self)->start_time); }

PyObject* get_end_time(PyObject* self, void*) { return PyLong_FromLongLong(as_tasklet(self)->end_time); }

// The function of one that is bound, started or not; borrowed, null when there is none.
PyObject* function_of(const tasklet& one) noexcept {
  return one.function != nullptr ? one.function : one.what == stage::none && one.value != Py_None ? one.value : nullptr;
}

PyObject* text_of_function(PyObject* self, void* closure) {
  PyObject* function = function_of(*as_tasklet(self));
  object text =
      object::take(function != nullptr ? PyObject_GetAttrString(function, static_cast<const char*>(closure)) : nullptr);
  PyErr_Clear();
  return text && PyUnicode_Check(text.get()) ? text.release() : PyUnicode_FromString("");
}

object code_of_function(PyObject* self) {
  PyObject* function = function_of(*as_tasklet(self));
  object code = object::take(function != nullptr ? PyObject_GetAttrString(function, "__code__") : nullptr);
  PyErr_Clear();
  return code && PyCode_Check(code.get()) ? std::move(code) : object();
}

PyObject* get_file_name(PyObject* self, void*) {
  const object code = code_of_function(self);
  return code ? Py_NewRef(reinterpret_cast<PyCodeObject*>(code.get())->co_filename) : PyUnicode_FromString("");
}

PyObject* get_line_number(PyObject* self, void*) {
  const object code = code_of_function(self);
  return PyLong_FromLong(code ? reinterpret_cast<PyCodeObject*>(code.get())->co_firstlineno : 0);
}

// Whether what is asked of the frames of this tasklet can be found in its saved state.
bool is_suspended_here(const tasklet& one) noexcept {
#ifdef Py_GIL_DISABLED
  const bool may_look = one.home->state == PyThreadState_Get();  // another thread may go on with it meanwhile
#else
  const bool may_look = true;
#endif
  return may_look && one.what == stage::started && one.stack != nullptr && thread_of(one) != nullptr;
}

bool runs_here(const tasklet& one) noexcept { return is_current(one) && one.home->state == PyThreadState_Get(); }

}  // namespace

int nesting_level(tasklet& one) {
  if (runs_here(one)) {
    return frames::nesting(one.home->state);
  }
  if (is_current(one) || !is_suspended_here(one)) {
    return 0;
  }
  const int level = frames::nesting(one.stack->state);
  return level < 0 ? level : level + (one.was_switched_hard ? 1 : 0);
}

int recursion_depth(tasklet& one) {
  if (runs_here(one)) {
    return frames::depth(one.home->state);
  }
  if (is_current(one) || !is_suspended_here(one)) {
    return 0;
  }
  return frames::depth(one.stack->state) + (one.was_switched_hard ? 1 : 0);
}

object frame_of(tasklet& one) {
  PyThreadState* mine = PyThreadState_Get();
  if (runs_here(one)) {
    return object::take(reinterpret_cast<PyObject*>(PyThreadState_GetFrame(mine)));
  }
  if (is_current(one)) {
    PyObject* ask = PySys_GetObject("_current_frames");
    const object all = object::take(ask != nullptr ? PyObject_CallNoArgs(ask) : nullptr);
    const object id = object::take(PyLong_FromUnsignedLong(one.home->id));
    return all && id ? object::share(PyDict_GetItemWithError(all.get(), id.get())) : object();
  }
  if (!is_suspended_here(one)) {
    return {};
  }
  saved_thread_state callers;
  callers.save(mine);
  one.stack->state.load(mine);
  object innermost = object::take(reinterpret_cast<PyObject*>(PyThreadState_GetFrame(mine)));
  one.stack->state.save(mine);
  callers.load(mine);
  return innermost;
}

extern PyGetSetDef tasklet_attributes[];

PyGetSetDef tasklet_attributes[] = {
    {"alive", flag<&is_alive>, nullptr, "Whether it has something to run, or runs.", nullptr},
    {"paused", flag<&is_paused>, nullptr, "Whether it is alive, and neither runnable nor blocked.", nullptr},
    {"blocked", flag<[](const tasklet& one) { return one.blocked != 0; }>, nullptr, "Whether it waits in a channel.",
     nullptr},
    {"scheduled", flag<&is_scheduled>, nullptr, "Whether it is runnable or blocked.", nullptr},
    {"restorable", get_restorable, nullptr, "Whether its nesting level is 0.", nullptr},
    {"atomic", flag<[](const tasklet& one) { return one.is_atomic; }>, nullptr, "What set_atomic has said.", nullptr},
    {"ignore_nesting", flag<[](const tasklet& one) { return one.ignores_nesting; }>, nullptr,
     "What set_ignore_nesting has said.", nullptr},
    {"is_main", flag<&is_main>, nullptr, "Whether it is its thread's main tasklet.", nullptr},
    {"is_current", flag<&is_current>, nullptr, "Whether it is its thread's current tasklet.", nullptr},
    {"block_trap", get_block_trap, set_block_trap, "Whether it gets an error instead of being blocked.", nullptr},
    {"thread_id", get_thread_id, nullptr, "Its thread; -1 when that has ended.", nullptr},
    {"next", get_next, nullptr,
     "The next tasklet of the runnables, or of those that wait in the same channel, or None.", nullptr},
    {"prev", get_prev, nullptr, "The tasklet before it, or None.", nullptr},
    {"_channel", get_channel, nullptr, "The channel that it waits in, or None.", nullptr},
    {"tempval", get_value, put_value, "What it is given when it goes on; before it has arguments, its function.",
     nullptr},
    {"frame", get_frame, nullptr, "Its innermost frame, or None.", nullptr},
    {"recursion_depth", get_recursion_depth, nullptr, "How many Python frames it has.", nullptr},
    {"nesting_level", get_nesting_level, nullptr, "How many C functions that call Python lie between its frames.",
     nullptr},
    tracing_attributes[0],
    tracing_attributes[1],
    {"context_id", get_context_id, nullptr, "The identity of its context (contextvars).", nullptr},
    {"callsite", get_callsite, nullptr, "Where it was made.", nullptr},
    {"parent_callsite", get_callsite, nullptr, "Where it was made.", nullptr},
    {"start_time", get_start_time, nullptr, "When it started, in nanoseconds since the epoch; 0: not yet.", nullptr},
    {"end_time", get_end_time, nullptr, "When it ended, in nanoseconds since the epoch; 0: not yet.", nullptr},
    {"startTime", get_start_time, nullptr, "start_time.", nullptr},
    {"endTime", get_end_time, nullptr, "end_time.", nullptr},
    {"times_switched_to", get_times_switched_to, nullptr, "How often it has gone on.", nullptr},
    {"method_name", text_of_function, nullptr, "The name of its function.", const_cast<char*>("__name__")},
    {"module_name", text_of_function, nullptr, "The module of its function.", const_cast<char*>("__module__")},
    {"file_name", get_file_name, nullptr, "The file of its function.", nullptr},
    {"line_number", get_line_number, nullptr, "The line of its function.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

}  // namespace martlet::python::stackless
