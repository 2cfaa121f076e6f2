#pragma once

#include "thread_state_common.hpp"

namespace martlet::python {

inline constexpr bool can_switch_thread_state = true;

/// Address space for the C stack of a function; only touched pages cost memory. 3.11 counts one depth for Python and C
/// calls, 1,000 by default, and a call through list.sort takes 5.3 KiB: as much as a main thread has.
inline constexpr std::size_t function_stack_bytes = std::size_t{8} << 20;

/// CPython 3.11: the current frame hangs on a structure that lies in the evaluating C function.
struct saved_thread_state : saved_common {
  _PyCFrame* cframe = nullptr;
  _PyCFrame root{};  // of a function tasklet: what lies below its first evaluation
  int recursion_used = 0;
  int trash_delete_nesting = 0;
  PyObject* trash_delete_later = nullptr;

  /// Prepares the state of a function that has not started.
  void begin(PyThreadState*, detail::stack_span, data_stack memory, PyObject* copied_context) noexcept {
    data = memory;
    context = copied_context;
    cframe = &root;
  }

  void save(PyThreadState* from) noexcept {
    save_common(from);
    cframe = from->cframe;
    recursion_used = from->recursion_limit - from->recursion_remaining;
    trash_delete_nesting = from->trash_delete_nesting;
    trash_delete_later = from->trash_delete_later;
  }

  void load(PyThreadState* to) const noexcept {
    load_common(to);
    const auto use_tracing = to->cframe->use_tracing;  // the thread's, not the function's
    to->cframe = cframe;
    to->cframe->use_tracing = use_tracing;
    to->recursion_remaining = to->recursion_limit - recursion_used;
    to->trash_delete_nesting = trash_delete_nesting;
    to->trash_delete_later = trash_delete_later;
  }

  void release_locks(PyThreadState*) noexcept {}
  void take_locks_back(PyThreadState*) noexcept {}
};

/// Says on which C stack the thread runs Python from now on; empty: its own. This version counts calls instead.
inline void use_c_stack(PyThreadState*, detail::stack_span) noexcept {}

}  // namespace martlet::python
