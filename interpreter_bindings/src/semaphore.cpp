#include "arguments.hpp"
#include "operation.hpp"
#include "units.hpp"

/// `Semaphore` and `BoundedSemaphore`.
namespace martlet::python {
namespace {

units_object* as_units(PyObject* self) noexcept { return reinterpret_cast<units_object*>(self); }

constexpr const char* acquire_call = "Semaphore.acquire()";
constexpr const char* aacquire_call = "Semaphore.aacquire()";
constexpr const char* entering = "'with' on a Semaphore";
constexpr const char* entering_async = "'async with' on a Semaphore";

PyObject* acquire(PyObject* object, PyTypeObject*, PyObject* const* given, Py_ssize_t count, PyObject* keywords) {
  units_object* self = as_units(object);
  acquire_request what;
  if (!read_acquire(given, count, keywords, "acquire", false, what)) {
    return nullptr;
  }
  if (what.may_wait) {
    acquire_wait taking(self);
    return take_or_block(taking, what.due, acquire_call, "await semaphore.aacquire()");
  }
  if (refuse_beside_simulation(*self->state, acquire_call)) {
    return nullptr;
  }
  permit one = self->units->try_acquire();
  const bool is_there = static_cast<bool>(one);
  one.dismiss();
  return PyBool_FromLong(is_there);
}

PyObject* aacquire(PyObject* object, PyTypeObject*, PyObject* const* given, Py_ssize_t count, PyObject* keywords) {
  acquire_request what;
  if (!read_acquire(given, count, keywords, "aacquire", false, what)) {
    return nullptr;
  }
  const base::instant due = what.may_wait ? what.due : 0;
  return make_operation<acquire_wait>(*as_units(object)->state, due, aacquire_call, as_units(object));
}

// Returns   false with an exception set.
bool give_back(units_object* self, Py_ssize_t count) {
  if (refuse_beside_simulation(*self->state, "Semaphore.release()")) {
    return false;
  }
  if (count < 1) {
    PyErr_Format(PyExc_ValueError, "release(): n is how many to give back, 1 or more; found %zd", count);
    return false;
  }
  try {
    self->units->release(static_cast<std::size_t>(count));
    return true;
  } catch (const misuse&) {
    PyErr_Format(PyExc_ValueError, "release(): it has %zd at most, and more would be there: released too many times",
                 self->most);
    return false;
  }
}

PyObject* release(PyObject* object, PyTypeObject*, PyObject* const* given, Py_ssize_t count, PyObject* keywords) {
  arguments<1> parsed("release", {"n"}, 1, 0);
  if (!parsed.parse(given, count, keywords)) {
    return nullptr;
  }
  const Py_ssize_t units = parsed[0] == nullptr ? 1 : PyLong_AsSsize_t(parsed[0]);
  if (units == -1 && PyErr_Occurred() != nullptr) {
    return nullptr;
  }
  return give_back(as_units(object), units) ? Py_NewRef(Py_None) : nullptr;
}

PyObject* enter(PyObject* object, PyObject*) {
  acquire_wait taking(as_units(object));
  return take_or_block(taking, base::never, entering, entering_async);
}

PyObject* aenter(PyObject* object, PyObject*) {
  return make_operation<acquire_wait>(*as_units(object)->state, base::never, entering_async, as_units(object));
}

PyObject* exit(PyObject* object, PyObject* const*, Py_ssize_t) {
  return give_back(as_units(object), 1) ? Py_NewRef(Py_False) : nullptr;
}

PyObject* aexit(PyObject* object, PyObject* const*, Py_ssize_t) {
  module_state& state = *as_units(object)->state;
  return give_back(as_units(object), 1) ? make_operation<done_wait>(state, base::never, entering_async, state, Py_False)
                                        : nullptr;
}

PyObject* get_value(PyObject* object, void*) { return PyLong_FromSize_t(as_units(object)->units->available()); }

PyObject* text_of(PyObject* object) {
  const units_object* self = as_units(object);
  const std::size_t value = self->units->available();
  return self->most == PY_SSIZE_T_MAX
             ? PyUnicode_FromFormat("<%s at %p: value=%zu>", Py_TYPE(object)->tp_name, object, value)
             : PyUnicode_FromFormat("<%s at %p: value=%zu/%zd>", Py_TYPE(object)->tp_name, object, value, self->most);
}

template <bool IsBounded>
PyObject* make(PyTypeObject* type, PyObject* args, PyObject* keywords) {
  static char name[] = "value";
  static char* names[] = {name, nullptr};
  Py_ssize_t value = 1;
  if (PyArg_ParseTupleAndKeywords(args, keywords, IsBounded ? "|n:BoundedSemaphore" : "|n:Semaphore", names, &value) ==
      0) {
    return nullptr;
  }
  if (value < 0) {
    PyErr_Format(PyExc_ValueError, "a semaphore has 0 units or more at first; found %zd", value);
    return nullptr;
  }
  return reinterpret_cast<PyObject*>(make_units(type, static_cast<std::size_t>(value),
                                                static_cast<std::size_t>(IsBounded ? value : PY_SSIZE_T_MAX)));
}

PyMethodDef methods[] = {
    {"acquire", as_method(acquire), with_keywords,
     "acquire($self, /, blocking=True, timeout=None)\n--\n\n"
     "Takes one unit, and waits until there is one.\n\n"
     "Takes     whether to wait at all; how many seconds at most.\n"
     "Returns   True; False when it may not wait (any longer).\n"
     "Throws    Cancelled; Misuse in a coroutine that would have to wait: write 'await semaphore.aacquire()'.\n"
     "Suspends  the tasklet, or the thread. Those who wait are served in the order in which they came."},
    {"aacquire", as_method(aacquire), with_keywords,
     "aacquire($self, /, blocking=True, timeout=None)\n--\n\nThe awaitable twin of acquire; also a case for select."},
    {"release", as_method(release), with_keywords,
     "release($self, /, n=1)\n--\n\n"
     "Gives back n units, or adds new ones. Suspends never.\n\n"
     "Throws    ValueError for n < 1, and when a BoundedSemaphore would have more than at first."},
    {"__enter__", enter, METH_NOARGS, nullptr},
    {"__exit__", as_method(exit), METH_FASTCALL, nullptr},
    {"__aenter__", aenter, METH_NOARGS, nullptr},
    {"__aexit__", as_method(aexit), METH_FASTCALL, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyGetSetDef properties[] = {
    {"value", get_value, nullptr, "How many units nobody has taken.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyType_Slot slots[] = {
    {Py_tp_doc, const_cast<char*>(
                    "Semaphore(value=1)\n--\n\n"
                    "threading.Semaphore for tasklets of both kinds and threads: lets 'value' of them in at a time.")},
    {Py_tp_new, reinterpret_cast<void*>(make<false>)},
    {Py_tp_dealloc, reinterpret_cast<void*>(free_units)},
    {Py_tp_repr, reinterpret_cast<void*>(text_of)},
    {Py_tp_methods, methods},
    {Py_tp_getset, properties},
    {Py_tp_members, units_members},
    {0, nullptr},
};

PyType_Slot bounded_slots[] = {
    {Py_tp_doc, const_cast<char*>("BoundedSemaphore(value=1)\n--\n\n"
                                  "A Semaphore that never has more units than at first: a release too many raises a "
                                  "ValueError.")},
    {Py_tp_new, reinterpret_cast<void*>(make<true>)},
    {Py_tp_dealloc, reinterpret_cast<void*>(free_units)},
    {Py_tp_repr, reinterpret_cast<void*>(text_of)},
    {Py_tp_methods, methods},
    {Py_tp_getset, properties},
    {Py_tp_members, units_members},
    {0, nullptr},
};

PyType_Spec spec = {
    .name = "martlet.Semaphore",
    .basicsize = sizeof(units_object),
    .itemsize = 0,
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

PyType_Spec bounded_spec = {
    .name = "martlet.BoundedSemaphore",
    .basicsize = sizeof(units_object),
    .itemsize = 0,
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = bounded_slots,
};

}  // namespace

bool add_semaphores(PyObject* module) { return add_type(module, spec) && add_type(module, bounded_spec); }

}  // namespace martlet::python
