#pragma once

#include "object.hpp"

#include <martlet/tasklet/stack_span.hpp>

namespace martlet::python {

/// Memory for the interpreter's frames, which CPython allocates 16 KiB at a time; the innermost part of it.
struct data_stack {
  _PyStackChunk* chunk = nullptr;
  PyObject** top = nullptr;
  PyObject** limit = nullptr;

  /// Makes the first part in the top of a C stack. Frames grow up in it and the C stack, from below it, down: both begin in the same
  /// page, so that a function that waits has one or two, and no system call makes or frees the part.
  static data_stack in(const detail::stack_span& stack) noexcept {
    // A page less the last so many bytes is what both sides of the boundary share at least.
    constexpr std::size_t bytes = ((std::size_t{16} << 10) - 2600) & ~std::size_t{63};
    auto* chunk = reinterpret_cast<_PyStackChunk*>(stack.top - bytes);
    chunk->previous = nullptr;
    chunk->size = bytes;
    chunk->top = 0;
    // CPython leaves the first word of a thread's first part free, so that no frame lies at its beginning: the end of such a
    // frame would free the part.
    return {chunk, &chunk->data[1], reinterpret_cast<PyObject**>(stack.top)};
  }

  /// Returns   where the C stack below begins, of one that was made in it.
  std::byte* begin() const noexcept { return reinterpret_cast<std::byte*>(chunk); }
};

/// The fields that all versions have. `exc_info` points into the thread state when nothing of a generator's is on top.
struct saved_common {
  data_stack data;
  _PyErr_StackItem exc_state{};
  _PyErr_StackItem* exc_info = nullptr;
  PyObject* context = nullptr;

  void save_common(PyThreadState* from) noexcept {
    data = {from->datastack_chunk, from->datastack_top, from->datastack_limit};
    exc_state = from->exc_state;
    exc_info = from->exc_info == &from->exc_state ? nullptr : from->exc_info;
    context = from->context;
  }

  void load_common(PyThreadState* to) const noexcept {
    to->datastack_chunk = data.chunk;
    to->datastack_top = data.top;
    to->datastack_limit = data.limit;
    to->exc_state = exc_state;
    to->exc_info = exc_info == nullptr ? &to->exc_state : exc_info;
    to->context = context;
    ++to->context_ver;
  }
};

}  // namespace martlet::python
