#include "module_state.hpp"

#include "parcel.hpp"
#include "python_tasklet.hpp"
#include "run.hpp"

namespace martlet::python {
namespace {

bool add_exceptions(PyObject* module, module_state& state) {
  const struct {
    PyObject** place;
    const char* name;
    const char* text;
    PyObject* base;
  } all[] = {
      {&state.cancelled, "martlet.Cancelled",
       "Raised by a wait whose tasklet was asked to stop. It stays asked: every later wait raises it too.\n\n"
       "It is no Exception, so that 'except Exception' does not keep a tasklet from stopping.",
       PyExc_BaseException},
      {&state.deadline_passed, "martlet.DeadlinePassed", "Raised by a wait that took longer than it was allowed to.",
       PyExc_TimeoutError},
      {&state.channel_closed, "martlet.ChannelClosed",
       "Raised by a send into a closed channel, and by a receive from one that is also empty.", PyExc_Exception},
      {&state.deadlock, "martlet.Deadlock",
       "Raised by a simulation in which nothing can run any more; the text tells what each tasklet waits for, and where.",
       PyExc_RuntimeError},
      {&state.misuse, "martlet.Misuse",
       "Raised where martlet is used in a way that cannot work; the text says what to do instead.", PyExc_RuntimeError},
  };
  for (const auto& one : all) {
    *one.place = PyErr_NewExceptionWithDoc(one.name, one.text, one.base, nullptr);
    if (*one.place == nullptr || PyModule_AddObjectRef(module, one.name + sizeof "martlet", *one.place) < 0) {
      return false;
    }
  }
  return true;
}

PyObject* attribute_of(const char* module, const char* name) {
  const object found = object::take(PyImport_ImportModule(module));
  return found ? PyObject_GetAttrString(found.get(), name) : nullptr;
}

int execute(PyObject* module) {
  module_state& state = *std::construct_at(static_cast<module_state*>(PyModule_GetState(module)));
  state.partial_type = attribute_of("functools", "partial");
  state.exception_group = attribute_of("builtins", "BaseExceptionGroup");
  const bool is_complete =
      state.partial_type != nullptr && state.exception_group != nullptr && add_exceptions(module, state) &&
      make_operation_type(module, state) && make_handle_type(module, state) && make_channel_type(module, state) &&
      make_scope_type(module, state) && make_selected_type(module, state) && make_simulation_type(module, state) &&
      add_event(module) && add_guest(module) && add_local(module) && add_locks(module) && add_parcel(module, state) &&
      add_readiness(module) && add_semaphores(module) && add_shield(module) &&
      PyModule_AddFunctions(module, blocking_functions) == 0 && PyModule_AddFunctions(module, census_functions) == 0 &&
      PyModule_AddFunctions(module, stackless_functions) == 0 && PyModule_AddFunctions(module, run_functions) == 0 &&
      PyModule_AddFunctions(module, pause_functions) == 0 && PyModule_AddFunctions(module, select_functions) == 0 &&
      PyModule_AddFunctions(module, simulation_functions) == 0;
  return is_complete ? 0 : -1;
}

int traverse(PyObject* module, visitproc visit, void* arg) {
  const auto* state = static_cast<module_state*>(PyModule_GetState(module));
  Py_VISIT(state->borrowed_type);
  Py_VISIT(state->channel_type);
  Py_VISIT(state->handle_type);
  Py_VISIT(state->operation_type);
  Py_VISIT(state->parcel_type);
  Py_VISIT(state->scope_type);
  Py_VISIT(state->selected_type);
  Py_VISIT(state->simulation_type);
  Py_VISIT(state->cancelled);
  Py_VISIT(state->deadline_passed);
  Py_VISIT(state->channel_closed);
  Py_VISIT(state->deadlock);
  Py_VISIT(state->misuse);
  Py_VISIT(state->partial_type);
  Py_VISIT(state->exception_group);
  return 0;
}

int clear(PyObject* module) {
  auto* state = static_cast<module_state*>(PyModule_GetState(module));
  Py_CLEAR(state->borrowed_type);
  Py_CLEAR(state->channel_type);
  Py_CLEAR(state->handle_type);
  Py_CLEAR(state->operation_type);
  Py_CLEAR(state->parcel_type);
  Py_CLEAR(state->scope_type);
  Py_CLEAR(state->selected_type);
  Py_CLEAR(state->simulation_type);
  Py_CLEAR(state->cancelled);
  Py_CLEAR(state->deadline_passed);
  Py_CLEAR(state->channel_closed);
  Py_CLEAR(state->deadlock);
  Py_CLEAR(state->misuse);
  Py_CLEAR(state->partial_type);
  Py_CLEAR(state->exception_group);
  return 0;
}

void free_module(void* module) {
  clear(static_cast<PyObject*>(module));
  if (const auto& home = static_cast<module_state*>(PyModule_GetState(static_cast<PyObject*>(module)))->home;
      home != nullptr) {
    home->close();
  }
  for (const std::shared_ptr<run>& one :
       static_cast<module_state*>(PyModule_GetState(static_cast<PyObject*>(module)))->runs) {
    static_cast<void>(new std::shared_ptr<run>(one));  // under way to the very end of the process: a guest never closed
  }
  std::destroy_at(static_cast<module_state*>(PyModule_GetState(static_cast<PyObject*>(module))));
}

PyModuleDef_Slot slots[] = {
    {Py_mod_exec, reinterpret_cast<void*>(execute)},
#ifdef Py_mod_multiple_interpreters
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#ifdef Py_mod_gil
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, nullptr},
};

}  // namespace

PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "martlet._martlet",
    .m_doc = "The native part of martlet; import martlet instead.",
    .m_size = sizeof(module_state),
    .m_methods = nullptr,
    .m_slots = slots,
    .m_traverse = traverse,
    .m_clear = clear,
    .m_free = free_module,
};

int has_running_loop() {
  const object name = object::take(PyUnicode_InternFromString("_asyncio"));
  const object module = object::take(name ? PyImport_GetModule(name.get()) : nullptr);
  if (!module) {  // nobody has imported asyncio
    return PyErr_Occurred() == nullptr ? 0 : -1;
  }
  const object loop = object::take(PyObject_CallMethod(module.get(), "_get_running_loop", nullptr));
  return !loop ? -1 : loop.get() != Py_None ? 1 : 0;
}

PyObject* call_bridge(const char* function, PyObject* argument) {
  const object bridge = object::take(PyImport_ImportModule("martlet._asyncio"));
  const object callee = object::take(bridge ? PyObject_GetAttrString(bridge.get(), function) : nullptr);
  return callee ? PyObject_CallOneArg(callee.get(), argument) : nullptr;
}

}  // namespace martlet::python

PyMODINIT_FUNC PyInit__martlet() { return PyModuleDef_Init(&martlet::python::definition); }
