#pragma once

#include "tasklet.hpp"

namespace martlet::python::stackless {

/// Gives a tasklet the context of the code that calls: the same, not a copy, unless it may run on another thread.
///
/// Returns   false with an exception set.
bool take_current_context(tasklet& one);

/// Gives a tasklet a context.
///
/// Returns   false with an exception set.
bool set_context(tasklet& one, PyObject* context);

/// Returns   a new reference to a tasklet's context, made if it has none; null with an exception set.
object context_of(tasklet& one);

/// Calls a function in a tasklet's context.
PyObject* run_in_context(tasklet& one, PyObject* const* args, Py_ssize_t count, PyObject* keywords);

}  // namespace martlet::python::stackless
