#pragma once

#include "object.hpp"

#include <memory>
#include <mutex>
#include <unordered_set>
#include <vector>

#include <martlet/base/atomic.hpp>
#include <martlet/base/spin_lock.hpp>
#include <martlet/tasklet/host.hpp>

namespace martlet::python {

class buffer_home;
class run;

/// What one interpreter's copy of the module has: its types, its exceptions and the runs that are under way.
struct module_state {
  PyTypeObject* borrowed_type = nullptr;
  PyTypeObject* channel_type = nullptr;
  PyTypeObject* handle_type = nullptr;
  PyTypeObject* operation_type = nullptr;
  PyTypeObject* parcel_type = nullptr;
  PyTypeObject* scope_type = nullptr;
  PyTypeObject* selected_type = nullptr;
  PyTypeObject* simulation_type = nullptr;

  PyObject* cancelled = nullptr;
  PyObject* deadline_passed = nullptr;
  PyObject* channel_closed = nullptr;
  PyObject* deadlock = nullptr;
  PyObject* misuse = nullptr;

  PyObject* partial_type = nullptr;     // functools.partial
  PyObject* exception_group = nullptr;  // BaseExceptionGroup

  std::shared_ptr<buffer_home> home;

  base::spin_lock lock;
  std::vector<std::shared_ptr<run>> runs;          // under the lock: those under way, in the order in which they began
  std::unordered_set<const PyObject*> coroutines;  // under the lock: objects that are tasklets and have not ended
  base::atomic<std::size_t> callbacks{0};          // of handles; for the census
  base::atomic<bool> may_block_loops{false};  // martlet.patch: threads with a running loop block as they always did
  base::atomic<bool> is_simulating{false};    // written under the lock: the only one under way is a simulation

  /// Returns   where a thread that runs no tasklets spawns: its own guest, else the latest run that is under way here.
  std::shared_ptr<run> current_run();
};

extern PyModuleDef definition;

/// Returns   the state of the module that a type of ours belongs to.
inline module_state& state_of(PyTypeObject* type) noexcept {
  return *static_cast<module_state*>(PyType_GetModuleState(type));
}

inline module_state& state_of(PyObject* module) noexcept {
  return *static_cast<module_state*>(PyModule_GetState(module));
}

/// Refuses a call from beside a simulation: what another thread did would come at another moment in each run, and nothing
/// but the simulation's own thread may make its tasklets go on.
///
/// Returns   true with Misuse set.
inline bool refuse_beside_simulation(module_state& state, const char* call) {
  // relaxed: a thread that goes on while one begins has nothing of it yet
  if (!state.is_simulating.load(base::relaxed) || detail::current_host() != nullptr) [[likely]] {
    return false;
  }
  PyErr_Format(
      state.misuse,
      "%s: a simulation is under way on another thread, and has martlet for itself until it ends: do this in one "
      "of its tasklets",
      call);
  return true;
}

/// Makes a type of which nobody but the module has to know.
///
/// Returns   false with an exception set.
inline bool add_type(PyObject* module, PyType_Spec& spec) {
  const object type = object::take(PyType_FromModuleAndSpec(module, &spec, nullptr));
  return type && PyModule_AddType(module, reinterpret_cast<PyTypeObject*>(type.get())) == 0;
}

// Each part of the module makes its own type, or adds its own functions; false with an exception set on failure.
bool add_event(PyObject* module);
bool add_guest(PyObject* module);
bool add_local(PyObject* module);
bool add_locks(PyObject* module);
bool add_parcel(PyObject* module, module_state& state);
bool add_readiness(PyObject* module);
bool add_semaphores(PyObject* module);
bool add_shield(PyObject* module);
bool make_channel_type(PyObject* module, module_state& state);
bool make_handle_type(PyObject* module, module_state& state);
bool make_operation_type(PyObject* module, module_state& state);
bool make_scope_type(PyObject* module, module_state& state);
bool make_selected_type(PyObject* module, module_state& state);
bool make_simulation_type(PyObject* module, module_state& state);

extern PyMethodDef blocking_functions[];
extern PyMethodDef census_functions[];
extern PyMethodDef run_functions[];
extern PyMethodDef pause_functions[];
extern PyMethodDef select_functions[];
extern PyMethodDef simulation_functions[];
extern PyMethodDef stackless_functions[];

}  // namespace martlet::python
