#include "arguments.hpp"
#include "operation.hpp"

#include <structmember.h>

#include <martlet/channel/event.hpp>

namespace martlet::python {
namespace {

/// `martlet.Event`.
struct event_object {
  PyObject_HEAD module_state* state;
  martlet::event* bit;
  PyObject* weak_references;
};

event_object* as_event(PyObject* self) noexcept { return reinterpret_cast<event_object*>(self); }

class event_wait final : public wait_at<event_object, detail::event_wait> {
 public:
  explicit event_wait(event_object* of) : wait_at(of, of->bit->wait()) {}

  PyObject* case_result() override { Py_RETURN_TRUE; }
  PyObject* late() override { Py_RETURN_FALSE; }
};

bool read_wait(PyObject* const* given, Py_ssize_t count, PyObject* keywords, const char* call, base::instant& due) {
  arguments<1> parsed(call, {"timeout"}, 1, 0);
  return parsed.parse(given, count, keywords) && read_limit(parsed[0], due);
}

PyObject* wait_method(PyObject* object, PyTypeObject*, PyObject* const* given, Py_ssize_t count, PyObject* keywords) {
  base::instant due = 0;
  if (!read_wait(given, count, keywords, "wait", due)) {
    return nullptr;
  }
  event_wait waiting(as_event(object));
  return take_or_block(waiting, due, "Event.wait()", "await event.await_()");
}

PyObject* await_method(PyObject* object, PyTypeObject*, PyObject* const* given, Py_ssize_t count, PyObject* keywords) {
  base::instant due = 0;
  if (!read_wait(given, count, keywords, "await_", due)) {
    return nullptr;
  }
  return make_operation<event_wait>(*as_event(object)->state, due, "Event.await_()", as_event(object));
}

PyObject* set(PyObject* object, PyObject*) {
  if (refuse_beside_simulation(*as_event(object)->state, "Event.set()")) {
    return nullptr;
  }
  as_event(object)->bit->set();
  Py_RETURN_NONE;
}

PyObject* clear(PyObject* object, PyObject*) {
  if (refuse_beside_simulation(*as_event(object)->state, "Event.clear()")) {
    return nullptr;
  }
  as_event(object)->bit->reset();
  Py_RETURN_NONE;
}

// In the child of a fork, where whoever waited is gone.
PyObject* start_anew(PyObject* object, PyObject*) {
  try {
    as_event(object)->bit = new martlet::event();  // the former is not destroyed: who waits for it stands there
  } catch (...) {
    return PyErr_NoMemory();
  }
  Py_RETURN_NONE;
}

PyObject* is_set(PyObject* object, PyObject*) { return PyBool_FromLong(as_event(object)->bit->is_set()); }

PyObject* text_of(PyObject* object) {
  return PyUnicode_FromFormat("<%s at %p: %s>", Py_TYPE(object)->tp_name, object,
                              as_event(object)->bit->is_set() ? "set" : "unset");
}

PyObject* make_event(PyTypeObject* type, PyObject* args, PyObject* keywords) {
  if (PyTuple_GET_SIZE(args) != 0 || (keywords != nullptr && PyDict_GET_SIZE(keywords) != 0)) {
    PyErr_SetString(PyExc_TypeError, "Event() takes no arguments");
    return nullptr;
  }
  auto* self = as_event(type->tp_alloc(type, 0));
  if (self == nullptr) {
    return nullptr;
  }
  self->state = &state_of(type);
  try {
    self->bit = new martlet::event();
  } catch (...) {
    Py_DECREF(self);
    return PyErr_NoMemory();
  }
  return reinterpret_cast<PyObject*>(self);
}

void free_event(PyObject* object) {
  PyTypeObject* type = Py_TYPE(object);
  if (as_event(object)->weak_references != nullptr) {
    PyObject_ClearWeakRefs(object);
  }
  delete as_event(object)->bit;  // nobody waits for it: those who do keep it alive
  type->tp_free(object);
  Py_DECREF(type);
}

PyMethodDef methods[] = {
    {"wait", as_method(wait_method), with_keywords,
     "wait($self, /, timeout=None)\n--\n\n"
     "Waits until the event is set.\n\n"
     "Takes     how many seconds at most.\n"
     "Returns   True; False when the time was over first.\n"
     "Throws    Cancelled; Misuse in a coroutine that would have to wait: write 'await event.await_()'.\n"
     "Suspends  the tasklet, or the thread."},
    {"await_", as_method(await_method), with_keywords,
     "await_($self, /, timeout=None)\n--\n\nThe awaitable twin of wait; also a case for select."},
    {"set", set, METH_NOARGS,
     "set($self, /)\n--\n\nMakes it happen: all who wait go on, and who waits later does not wait. Suspends never."},
    {"clear", clear, METH_NOARGS,
     "clear($self, /)\n--\n\nTakes it back: who waits from now on waits for the next set."},
    {"_at_fork_reinit", start_anew, METH_NOARGS, nullptr},
    {"is_set", is_set, METH_NOARGS, "is_set($self, /)\n--\n\nTells whether it is set."},
    {nullptr, nullptr, 0, nullptr},
};

PyMemberDef members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(event_object, weak_references), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr},
};

PyType_Slot slots[] = {
    {Py_tp_doc, const_cast<char*>("Event()\n--\n\n"
                                  "threading.Event for tasklets of both kinds and threads: tells all who wait that "
                                  "something has happened.")},
    {Py_tp_new, reinterpret_cast<void*>(make_event)},
    {Py_tp_dealloc, reinterpret_cast<void*>(free_event)},
    {Py_tp_repr, reinterpret_cast<void*>(text_of)},
    {Py_tp_methods, methods},
    {Py_tp_members, members},
    {0, nullptr},
};

PyType_Spec spec = {
    .name = "martlet.Event",
    .basicsize = sizeof(event_object),
    .itemsize = 0,
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

}  // namespace

bool add_event(PyObject* module) { return add_type(module, spec); }

}  // namespace martlet::python
