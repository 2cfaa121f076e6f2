#pragma once

#include "thread_state_common.hpp"

namespace martlet::python {

inline constexpr bool can_switch_thread_state = true;

/// Address space for the C stack of a function; only touched pages cost memory.
inline constexpr std::size_t function_stack_bytes = std::size_t{1} << 20;

/// Says on which C stack the thread runs Python from now on; empty: its own.
inline void use_c_stack(PyThreadState* thread, detail::stack_span stack) noexcept {
  if (stack.size() != 0) {
    PyUnstable_ThreadState_SetStackProtection(thread, stack.low, stack.size());  // it refuses tiny ones only
  } else {
    PyUnstable_ThreadState_ResetStackProtection(thread);
  }
}

/// CPython 3.14 and 3.15 with the global lock. They look at the C stack's own limits, not at a counter of calls.
struct saved_thread_state : saved_common {
  _PyInterpreterFrame* frame = nullptr;
  int recursion_used = 0;
  PyObject* delete_later = nullptr;
  PyObject* executor = nullptr;
  detail::stack_span c_stack;  // empty: the thread's own

  void begin([[maybe_unused]] PyThreadState* thread, detail::stack_span stack, data_stack memory,
             PyObject* copied_context) noexcept {
    data = memory;
    context = copied_context;
    c_stack = stack;
#if PY_VERSION_HEX >= 0x030F0000
    frame = thread->base_frame;
#endif
  }

  void save(PyThreadState* from) noexcept {
    save_common(from);
    frame = from->current_frame;
    recursion_used = from->py_recursion_limit - from->py_recursion_remaining;
    delete_later = from->delete_later;
    executor = from->current_executor;
  }

  void load(PyThreadState* to) const noexcept {
    load_common(to);
    to->current_frame = frame;
    to->py_recursion_remaining = to->py_recursion_limit - recursion_used;
    to->delete_later = delete_later;
    to->current_executor = executor;
    use_c_stack(to, c_stack);
  }

  // With the global lock nothing else runs while an object is locked.
  void release_locks(PyThreadState*) noexcept {}
  void take_locks_back(PyThreadState*) noexcept {}
};

}  // namespace martlet::python
