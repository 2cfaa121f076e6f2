#pragma once

#include "object.hpp"

#include <martlet/tasklet/stack_span.hpp>

namespace martlet::python {

/// Memory for the interpreter's frames: the first chunk of a stack, which CPython allocates 16 KiB at a time. A function
/// tasklet that ends leaves it to the next one.
struct data_stack {
  _PyStackChunk* chunk = nullptr;
  PyObject** top = nullptr;
  PyObject** limit = nullptr;

  bool is_empty() const noexcept { return chunk == nullptr; }
  bool is_single() const noexcept { return chunk->previous == nullptr; }

  void free() noexcept {
    PyObjectArenaAllocator arena;
    PyObject_GetArenaAllocator(&arena);
    while (chunk != nullptr) {
      _PyStackChunk* previous = chunk->previous;
      arena.free(arena.ctx, chunk, chunk->size);
      chunk = previous;
    }
  }
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
