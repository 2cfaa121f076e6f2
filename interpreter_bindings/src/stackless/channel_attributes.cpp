#include "channel.hpp"

/// The attributes of `stackless.channel`.
namespace martlet::python::stackless {
namespace {

PyObject* get_queue(PyObject* self, void*) {
  const guard held(chains);
  tasklet* first = as_channel(self)->head;
  return Py_NewRef(first != nullptr ? first->self() : Py_None);
}

// What a channel says of itself, each as a function of it.
template <auto Ask>
PyObject* ask(PyObject* self, void*) {
  long answer = 0;
  {
    const guard held(chains);
    answer = Ask(*as_channel(self));
  }
  return PyLong_FromLong(answer);
}

template <auto Ask>
PyObject* ask_whether(PyObject* self, void*) {
  const guard held(chains);
  return Py_NewRef(Ask(*as_channel(self)) ? Py_True : Py_False);
}

bool is_closing(const channel& one) noexcept { return one.is_closing; }

bool is_closed(const channel& one) noexcept { return one.is_closing && one.balance == 0; }

int refuse_balance(PyObject*, PyObject*, void*) {
  PyErr_SetString(PyExc_AttributeError, "readonly attribute");
  return -1;
}

// Reads the sign of an integer of any size.
bool read_sign(PyObject* value, const char* refusal, int& sign) {
  if (value == nullptr || !PyLong_Check(value)) {
    PyErr_SetString(PyExc_TypeError, refusal);
    return false;
  }
  int overflow = 0;
  const long number = PyLong_AsLongAndOverflow(value, &overflow);
  sign = overflow != 0 ? overflow : number > 0 ? 1 : number < 0 ? -1 : 0;
  return true;
}

int set_preference(PyObject* self, PyObject* value, void*) {
  int sign = 0;
  if (!read_sign(value, "preference must be set to an integer", sign)) {
    return -1;
  }
  const guard held(chains);
  as_channel(self)->preference = static_cast<std::int8_t>(sign);
  return 0;
}

int set_schedule_all(PyObject* self, PyObject* value, void*) {
  int sign = 0;
  if (!read_sign(value, "preference must be set to a bool or integer", sign)) {
    return -1;
  }
  const guard held(chains);
  as_channel(self)->schedules_all = sign != 0;
  return 0;
}

}  // namespace

extern PyGetSetDef channel_attributes[];

PyGetSetDef channel_attributes[] = {
    {"queue", get_queue, nullptr, "The tasklet that has been waiting for longest, or None; the others are its next.",
     nullptr},
    {"balance", ask<[](const channel& one) -> long { return one.balance; }>, refuse_balance,
     "How many tasklets wait: to send, or, as a negative number, to receive.", nullptr},
    {"closing", ask_whether<&is_closing>, nullptr, "Whether close was called.", nullptr},
    {"closed", ask_whether<&is_closed>, nullptr, "Whether close was called and nobody waits.", nullptr},
    {"preference", ask<[](const channel& one) -> long { return one.preference; }>, set_preference,
     "Who goes on when a value has passed: -1 the receiver (default), 1 the sender, 0 whoever came last.", nullptr},
    {"schedule_all", ask<[](const channel& one) -> long { return one.schedules_all ? 1 : 0; }>, set_schedule_all,
     "Whether the next runnable tasklet goes on instead of any of them.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

}  // namespace martlet::python::stackless
