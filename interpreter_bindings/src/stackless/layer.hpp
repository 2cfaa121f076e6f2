#pragma once

#include "chain_lock.hpp"

namespace martlet::python::stackless {

struct thread;

/// A callable or null. Whether there is one may be asked without the lock.
using hook = glimpse<PyObject*>;

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

  hook schedule_hook{nullptr};
  hook channel_hook{nullptr};
  hook error_handler{nullptr};

  glimpse<bool> switches_softly = true;  // what enable_softswitch says
  unsigned char pickle_flags = 0;        // under the lock, as all below
  thread* threads = nullptr;             // those that have used the module and have not ended, newest first
  thread* first = nullptr;               // of the interpreter's main thread; null before that has used it
  int tool = -1;                         // of sys.monitoring, while somebody has a time limit
  int timed = 0;                         // threads that have one
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
inline object current_hook(const hook& which) noexcept {
  const guard held(chains);
  return object::share(which);
}

/// Replaces a hook, None is for none.
///
/// Returns   a new reference to the old one, or to None.
PyObject* exchange_hook(hook& which, PyObject* by);

bool make_tasklet_type(PyObject* module, layer& home);
bool make_channel_type(PyObject* module, layer& home);
bool make_bomb_type(PyObject* module, layer& home);
bool make_atomic_type(PyObject* module, layer& home);
bool add_c_api(PyObject* module);

extern PyMethodDef callback_functions[];
extern PyMethodDef crew_functions[];
extern PyMethodDef run_functions[];
extern PyMethodDef schedule_functions[];
extern PyMethodDef thread_functions[];

}  // namespace martlet::python::stackless
