#pragma once

#include "thread_state_common.hpp"

#include <cstdint>

namespace martlet::python {

inline constexpr bool can_switch_thread_state = true;

/// Address space for the C stack of a function; only touched pages cost memory.
inline constexpr std::size_t function_stack_bytes = std::size_t{1} << 20;

/// CPython 3.13, with and without the global lock.
struct saved_thread_state : saved_common {
  _PyInterpreterFrame* frame = nullptr;
  int recursion_used = 0;
  int c_recursion_remaining = 0;
  PyObject* delete_later = nullptr;
  PyObject* previous_executor = nullptr;
  std::uintptr_t critical_section = 0;

  /// Prepares the state of a function that has not started, with the depth of C calls that its stack has room for.
  void begin(PyThreadState*, detail::stack_span stack, data_stack memory, PyObject* copied_context) noexcept {
    data = memory;
    context = copied_context;
    c_recursion_remaining = static_cast<int>(stack.size() / bytes_per_c_call);
  }

  void save(PyThreadState* from) noexcept {
    save_common(from);
    frame = from->current_frame;
    recursion_used = from->py_recursion_limit - from->py_recursion_remaining;
    c_recursion_remaining = from->c_recursion_remaining;
    delete_later = from->delete_later;
    previous_executor = from->previous_executor;
  }

  void load(PyThreadState* to) const noexcept {
    load_common(to);
    to->current_frame = frame;
    to->py_recursion_remaining = to->py_recursion_limit - recursion_used;
    to->c_recursion_remaining = c_recursion_remaining;
    to->delete_later = delete_later;
    to->previous_executor = previous_executor;
  }

  /// Lets go of the locks of objects that the function holds (inside list.sort, say) while it waits: detaching unlocks
  /// all of them, and attaching with an empty chain takes none back. Without this whoever touches the object meanwhile
  /// on another worker would wait for a function that cannot run.
  void release_locks(PyThreadState* of) noexcept {
    if (of->critical_section != 0) [[unlikely]] {
      PyEval_SaveThread();
      critical_section = std::exchange(of->critical_section, 0);
      PyEval_RestoreThread(of);
    }
  }

  void take_locks_back(PyThreadState* of) noexcept {
    if (critical_section != 0) [[unlikely]] {
      PyEval_SaveThread();
      of->critical_section = std::exchange(critical_section, 0);
      PyEval_RestoreThread(of);
    }
  }

 private:
  // Measured: 1,340 in list.sort, the hungriest of the interpreter's own.
  static constexpr std::size_t bytes_per_c_call = 2048;
};

/// Says on which C stack the thread runs Python from now on; empty: its own. This version counts calls instead.
inline void use_c_stack(PyThreadState*, detail::stack_span) noexcept {}

}  // namespace martlet::python
