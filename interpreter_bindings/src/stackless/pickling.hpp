#pragma once

#include "tasklet.hpp"

namespace martlet::python::stackless {

/// `__reduce__`: a tasklet that has not started, with its function and arguments; one that has cannot be pickled.
PyObject* reduce(PyObject* self, PyObject* protocol);

/// `__setstate__`.
PyObject* set_state(PyObject* self, PyObject* state);

}  // namespace martlet::python::stackless
