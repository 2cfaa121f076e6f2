#pragma once

#include "chain_lock.hpp"

namespace martlet::python::stackless {

struct thread;

/// What one interpreter has of martlet.stackless: its types, its hooks and its threads. It is the state of the module
/// `martlet._stackless`.
struct layer {
  PyObject* module = nullptr;  // borrowed: the layer lies in it

  PyTypeObject* tasklet_type = nullptr;
  PyTypeObject* channel_type = nullptr;
  PyTypeObject* bomb_type = nullptr;
  PyTypeObject* atomic_type = nullptr;
  PyObject* tasklet_exit = nullptr;
  PyObject* memory_bomb = nullptr;  // for when there is no memory for another one

  PyObject* schedule_hook = nullptr;  // callables or null; under the lock, as all below
  PyObject* channel_hook = nullptr;
  PyObject* error_handler = nullptr;

  bool switches_softly = true;  // what enable_softswitch says
  unsigned char pickle_flags = 0;
  thread* threads = nullptr;  // those that have used the module and have not ended, newest first
  thread* first = nullptr;    // of the interpreter's main thread; null before that has used it
  int tool = -1;              // of sys.monitoring, while somebody has a time limit
  int timed = 0;              // threads that have one
#ifdef Py_GIL_DISABLED
  PyMutex listening{};
#endif
  long made = 0;   // tasklets so far
  long alive = 0;  // tasklets that exist
};

/// Returns   the layer of a type of martlet.stackless's, or of one derived from it.
layer& layer_of(PyTypeObject* type) noexcept;

inline layer& layer_of(PyObject* module) noexcept { return *static_cast<layer*>(PyModule_GetState(module)); }

extern PyModuleDef stackless_definition;

/// Returns   a new reference to what a hook is at the moment; null for none.
inline object current_hook(PyObject* const& hook) noexcept {
  const guard held(chains);
  return object::share(hook);
}

bool make_tasklet_type(PyObject* module, layer& home);
bool make_channel_type(PyObject* module, layer& home);
bool make_bomb_type(PyObject* module, layer& home);
bool make_atomic_type(PyObject* module, layer& home);
bool add_c_api(PyObject* module);

extern PyMethodDef callback_functions[];
extern PyMethodDef run_functions[];
extern PyMethodDef schedule_functions[];
extern PyMethodDef thread_functions[];

}  // namespace martlet::python::stackless
