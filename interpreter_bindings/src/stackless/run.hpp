#pragma once

#include "tasklet.hpp"

namespace martlet::python::stackless {

/// `stackless.run`: runs the thread's other tasklets until none is left, or the time is over.
///
/// Takes     a limit in bytecodes, 0 for none; run_flags.
/// Returns   None, or the tasklet that was interrupted; a new reference, null with an exception set.
PyObject* run(thread& here, long timeout, unsigned flags);

/// `stackless.run_n_tasklets`: gives the next tasklets a turn each, as many as there are at most.
///
/// Returns   None; a new reference, null with an exception set.
PyObject* run_some(thread& here, unsigned count);

}  // namespace martlet::python::stackless
