#include "arguments.hpp"
#include "operation.hpp"
#include "run.hpp"

/// `guest`: the part of it that an event loop of any kind drives.
namespace martlet::python {
namespace {

struct guest_object {
  PyObject_HEAD module_state* state;
  std::shared_ptr<run> all;
  std::unique_ptr<martlet::guest> seat;  // null once it is closed
};

guest_object* as_guest(PyObject* self) noexcept { return reinterpret_cast<guest_object*>(self); }

bool refuse_closed(guest_object* self, const char* call) {
  if (self->seat == nullptr) {
    PyErr_Format(self->state->misuse, "guest.%s(): it has been closed", call);
    return true;
  }
  return false;
}

PyObject* fileno(PyObject* object, PyObject*) {
  guest_object* self = as_guest(object);
  return refuse_closed(self, "fileno") ? nullptr : PyLong_FromLong(self->seat->event_fd());
}

PyObject* poll(PyObject* object, PyObject*) {
  guest_object* self = as_guest(object);
  return !refuse_closed(self, "poll") && self->all->poll(*self->seat) ? Py_NewRef(Py_None) : nullptr;
}

PyObject* cancel(PyObject* object, PyObject*) {
  as_guest(object)->all->stop_all();
  Py_RETURN_NONE;
}

PyObject* tasklets(PyObject* object, PyObject*) {
  try {
    return list_of(as_guest(object)->all->tasklets());
  } catch (...) {
    return raise_what_was_caught(*as_guest(object)->state);
  }
}

PyObject* close(PyObject* object, PyObject*) {
  guest_object* self = as_guest(object);
  if (self->seat != nullptr) {
    if (!self->all->end_as_guest(self->seat)) {
      return nullptr;
    }
    end_run(*self->state, self->all);
  }
  Py_RETURN_NONE;
}

PyObject* make_guest(PyTypeObject* type, PyObject* args, PyObject* keywords) {
  static char name[] = "workers";
  static char* names[] = {name, nullptr};
  PyObject* workers_given = nullptr;
  if (PyArg_ParseTupleAndKeywords(args, keywords, "|$O:guest", names, &workers_given) == 0) {
    return nullptr;
  }
  module_state& state = state_of(PyType_GetModuleByDef(type, &definition));
  if (detail::current_host() != nullptr) {
    PyErr_SetString(state.misuse, "guest(): this thread runs tasklets already; spawn there");
    return nullptr;
  }
  const unsigned workers = read_workers(workers_given);
  if (workers == 0) {
    return nullptr;
  }
  object made = object::take(type->tp_alloc(type, 0));
  if (!made) {
    return nullptr;
  }
  guest_object* self = as_guest(made.get());
  self->state = &state;
  std::construct_at(&self->all);
  std::construct_at(&self->seat);
  try {
    self->all = std::make_shared<run>(state, workers);
  } catch (...) {
    return raise_what_was_caught(state);
  }
  if (!begin_run(state, self->all, "guest()")) {
    return nullptr;
  }
  if (!self->all->begin_as_guest(self->seat)) {
    end_run(state, self->all);
    return nullptr;
  }
  return made.release();
}

// One that was never closed lives on with its tasklets, unseen: its thread may be another one by now.
void free_guest(PyObject* object) {
  guest_object* self = as_guest(object);
  PyTypeObject* type = Py_TYPE(object);
  if (self->seat != nullptr) {
    const error_set_aside raised;
    if (PyErr_WarnEx(PyExc_ResourceWarning, "a martlet.guest was dropped without having been closed", 1) < 0) {
      PyErr_WriteUnraisable(nullptr);
    }
    static_cast<void>(self->seat.release());
  }
  std::destroy_at(&self->seat);
  std::destroy_at(&self->all);
  type->tp_free(object);
  Py_DECREF(type);
}

PyMethodDef methods[] = {
    {"fileno", fileno, METH_NOARGS,
     "fileno($self, /)\n--\n\n"
     "Returns a descriptor that is readable whenever poll has something to do. Watch it level-triggered; the loop does\n"
     "not read it and does not close it."},
    {"poll", poll, METH_NOARGS,
     "poll($self, /)\n--\n\n"
     "Runs tasklets that are ready for at most half a millisecond, and never sleeps.\n\n"
     "Throws    KeyboardInterrupt or SystemExit when one of them ended with it; Misuse inside a tasklet and on another\n"
     "          thread than the one that made the guest."},
    {"cancel", cancel, METH_NOARGS,
     "cancel($self, /)\n--\n\nAsks all its tasklets to stop, those that come later too. Suspends never."},
    {"tasklets", tasklets, METH_NOARGS,
     "tasklets($self, /)\n--\n\nReturns the handles of its tasklets that have not ended, in no order."},
    {"close", close, METH_NOARGS,
     "close($self, /)\n--\n\n"
     "Ends it; closing twice is allowed. On the thread that made it.\n\n"
     "Throws    Misuse when tasklets are under way: cancel them, and poll until there are none."},
    {nullptr, nullptr, 0, nullptr},
};

PyType_Slot slots[] = {
    {Py_tp_doc, const_cast<char*>("What an event loop drives.")},
    {Py_tp_new, reinterpret_cast<void*>(make_guest)},
    {Py_tp_dealloc, reinterpret_cast<void*>(free_guest)},
    {Py_tp_methods, methods},
    {0, nullptr},
};

PyType_Spec spec = {
    .name = "martlet._martlet.guest",
    .basicsize = sizeof(guest_object),
    .itemsize = 0,
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

}  // namespace

bool add_guest(PyObject* module) { return add_type(module, spec); }

}  // namespace martlet::python
