#include "units.hpp"

#include "arguments.hpp"

#include <structmember.h>

namespace martlet::python {
namespace {

// threading.TIMEOUT_MAX, in seconds.
constexpr double longest = 9223372036.0;

}  // namespace

bool read_acquire(PyObject* const* given, Py_ssize_t count, PyObject* keywords, const char* call, bool is_of_lock,
                  acquire_request& what) {
  if (count == 0 && keywords == nullptr) [[likely]] {
    return true;
  }
  arguments<2> parsed(call, {"blocking", "timeout"}, 2, 0);
  if (!parsed.parse(given, count, keywords)) {
    return false;
  }
  if (parsed[0] != nullptr) {
    const int answer = PyObject_IsTrue(parsed[0]);
    if (answer < 0) {
      return false;
    }
    what.may_wait = answer != 0;
  }
  if (parsed[1] == nullptr || parsed[1] == Py_None) {
    return true;
  }
  const double seconds = PyFloat_AsDouble(parsed[1]);
  if (seconds == -1.0 && (PyErr_Occurred() != nullptr || is_of_lock)) {
    return PyErr_Occurred() == nullptr;
  }
  if (!what.may_wait) {
    PyErr_Format(PyExc_ValueError, "%s(): what may not wait has no timeout; give one of 'blocking=False' and 'timeout'",
                 call);
    return false;
  }
  if (is_of_lock && seconds < 0) {
    PyErr_Format(PyExc_ValueError, "%s(): a timeout is a number of seconds, 0 or more, or -1 for none; found %R", call,
                 parsed[1]);
    return false;
  }
  if (seconds > longest) {
    PyErr_Format(PyExc_OverflowError, "%s(): a timeout is 9223372036 seconds (threading.TIMEOUT_MAX) at most; found %R",
                 call, parsed[1]);
    return false;
  }
  return read_limit(parsed[1], what.due);
}

units_object* make_units(PyTypeObject* type, std::size_t count, std::size_t most) noexcept {
  auto* self = reinterpret_cast<units_object*>(type->tp_alloc(type, 0));
  if (self == nullptr) {
    return nullptr;
  }
  self->state = &state_of(type);
  self->most = static_cast<Py_ssize_t>(most);
  std::construct_at(&self->owner, nullptr);
  try {
    self->units = new martlet::semaphore(count, most);
  } catch (...) {
    raise_what_was_caught(*self->state);
    Py_DECREF(self);
    return nullptr;
  }
  return self;
}

void free_units(PyObject* object) {
  auto* self = reinterpret_cast<units_object*>(object);
  PyTypeObject* type = Py_TYPE(object);
  if (self->weak_references != nullptr) {
    PyObject_ClearWeakRefs(object);
  }
  delete self->units;  // nobody waits for them: those who do keep it alive
  type->tp_free(object);
  Py_DECREF(type);
}

PyMemberDef units_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(units_object, weak_references), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr},
};

}  // namespace martlet::python
