#pragma once

#include "object.hpp"

#include <martlet/tasklet/stack_span.hpp>

namespace martlet::python {

inline constexpr bool can_switch_thread_state = false;

/// Address space for the C stack of a function; only touched pages cost memory.
inline constexpr std::size_t function_stack_bytes = std::size_t{1} << 20;

/// Nothing is known of its memory for frames.
struct data_stack {
  static data_stack in(const detail::stack_span&) noexcept { return {}; }
  std::byte* begin() const noexcept { return nullptr; }
};

/// A version whose thread state has not been tried out: its function tasklets are refused, so nothing here is called.
struct saved_thread_state {
  data_stack data;
  _PyErr_StackItem exc_state{};
  PyObject* context = nullptr;

  void begin(PyThreadState*, detail::stack_span, data_stack, PyObject*) noexcept {}
  void save(PyThreadState*) noexcept {}
  void load(PyThreadState*) const noexcept {}
  void release_locks(PyThreadState*) noexcept {}
  void take_locks_back(PyThreadState*) noexcept {}
};

/// Says nothing: fibers of C++'s are refused too.
inline void use_c_stack(PyThreadState*, detail::stack_span) noexcept {}

}  // namespace martlet::python
