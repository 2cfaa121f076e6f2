#pragma once

#include "tasklet.hpp"

namespace martlet::python::stackless {

/// The trace and the profile function of a tasklet that is not current; the thread has those of the one that is.
struct tracing {
  Py_tracefunc trace = nullptr;  // null beside an object: what sys.settrace makes of that
  Py_tracefunc profile = nullptr;
  object trace_object;
  object profile_object;
  int depth = 0;  // the thread's `tracing`: how deep it is in such functions

  bool is_empty() const noexcept {
    return !trace_object && !profile_object && trace == nullptr && profile == nullptr && depth == 0;
  }
};

/// Returns   whether the thread traces or profiles for the program at the moment.
inline bool is_traced(const thread& here) noexcept {
  const PyThreadState* state = here.state;
  const bool is_watched_only = here.is_timed && here.traced_by == nullptr && state->c_traceobj == nullptr;
  return state->tracing != 0 || state->c_profilefunc != nullptr || (state->c_tracefunc != nullptr && !is_watched_only);
}

/// Takes the thread's functions away, into the tasklet.
void leave_tracing(thread& here, tasklet& one);

/// Gives the thread the tasklet's functions.
void enter_tracing(thread& here, tasklet& one);

/// Takes the thread's functions away for good: its tasklet has ended.
void end_tracing(thread& here);

/// Drops a tasklet's functions.
void clear_tracing(tasklet& one) noexcept;

extern PyGetSetDef tracing_attributes[2];

}  // namespace martlet::python::stackless
