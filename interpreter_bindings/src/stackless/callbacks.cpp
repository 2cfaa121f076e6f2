#include "../arguments.hpp"
#include "channel.hpp"
#include "schedule.hpp"

namespace martlet::python::stackless {
namespace {

// Has a callback run for a tasklet, which is the one that it finds to be current. What switches meanwhile is refused.
class in_callback {
 public:
  in_callback(thread& here, tasklet* who) noexcept : here_(here), before_(here.waiting) {
    here.in_callback = true;
    here.waiting = who;
  }
  in_callback(const in_callback&) = delete;
  in_callback& operator=(const in_callback&) = delete;
  ~in_callback() {
    here_.in_callback = false;
    here_.waiting = before_;
  }

 private:
  thread& here_;
  tasklet* before_;
};

PyObject* set_hook(hook& which, PyObject* by, const char* refusal) {
  if (by != Py_None && PyCallable_Check(by) == 0) {
    PyErr_SetString(PyExc_TypeError, refusal);
    return nullptr;
  }
  return exchange_hook(which, by);
}

PyObject* get_hook(const hook& which) {
  object now = current_hook(which);
  return now ? now.release() : Py_NewRef(Py_None);
}

PyObject* set_schedule_callback(PyObject* module, PyObject* by) {
  return set_hook(layer_of(module).schedule_hook, by, "schedule callback must be callable");
}

PyObject* get_schedule_callback(PyObject* module, PyObject*) { return get_hook(layer_of(module).schedule_hook); }

PyObject* set_channel_callback(PyObject* module, PyObject* by) {
  return set_hook(layer_of(module).channel_hook, by, "channel callback must be callable");
}

PyObject* get_channel_callback(PyObject* module, PyObject*) { return get_hook(layer_of(module).channel_hook); }

PyObject* set_error_handler(PyObject* module, PyObject* args) {
  PyObject* by = Py_None;
  if (!PyArg_ParseTuple(args, "|O:set_error_handler", &by)) {
    return nullptr;
  }
  return exchange_hook(layer_of(module).error_handler, by);
}

}  // namespace

PyObject* exchange_hook(hook& which, PyObject* by) {
  PyObject* before = nullptr;
  {
    const guard held(chains);
    before = which;
    which = by == Py_None ? nullptr : Py_NewRef(by);
  }
  return before != nullptr ? before : Py_NewRef(Py_None);
}

void notify_schedule(thread& here, tasklet* from, tasklet* to) {
  const object callback = current_hook(here.home.schedule_hook);
  if (!callback || here.in_callback) {
    return;
  }
  const error_set_aside error;
  const in_callback mark(here, from);
  PyObject* const none = Py_None;
  const object answer = object::take(PyObject_CallFunctionObjArgs(callback.get(), from != nullptr ? from->self() : none,
                                                                  to != nullptr ? to->self() : none, nullptr));
  if (!answer) {
    const object what = object::take(PyUnicode_FromString("Error in scheduling callback"));
    PyErr_WriteUnraisable(what.get());
  }
}

bool notify_channel(thread& here, channel& where, tasklet& who, bool sends, bool will_block) {
  const object callback = current_hook(here.home.channel_hook);
  if (!callback) {
    return true;
  }
  if (here.in_callback) {
    PyErr_SetString(PyExc_RuntimeError, "Recursive channel call due to callbacks!");
    return false;
  }
  const error_set_aside error;
  const in_callback mark(here, &who);
  const object answer = object::take(PyObject_CallFunction(callback.get(), "OOii", where.self(), who.self(),
                                                           sends ? 1 : 0, will_block ? 1 : 0));
  if (!answer) {
    const object what = object::take(PyUnicode_FromString("Error in channel callback"));
    PyErr_WriteUnraisable(what.get());
  }
  return true;
}

PyMethodDef callback_functions[] = {
    {"set_schedule_callback", set_schedule_callback, METH_O,
     "set_schedule_callback(callable, /)\n--\n\nHas callable(prev, next) called before each switch, and returns the one before, or "
     "None.\n\nprev is None when a thread's main tasklet begins. None turns it off."},
    {"get_schedule_callback", get_schedule_callback, METH_NOARGS,
     "get_schedule_callback()\n--\n\nReturns the schedule callback, or None."},
    {"set_channel_callback", set_channel_callback, METH_O,
     "set_channel_callback(callable, /)\n--\n\nHas callable(channel, tasklet, sending, willblock) called before each send and "
     "receive, and returns the one before, or None.\n\nNone turns it off."},
    {"get_channel_callback", get_channel_callback, METH_NOARGS,
     "get_channel_callback()\n--\n\nReturns the channel callback, or None."},
    {"set_error_handler", set_error_handler, METH_VARARGS,
     "set_error_handler(handler=None, /)\n--\n\nHas handler(type, value, traceback) called with an error that leaves a tasklet, in that "
     "tasklet, and returns the one before, or None.\n\nWithout one, or when it raises an error itself, that leaves run()."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace martlet::python::stackless
