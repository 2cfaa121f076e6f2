#include "../arguments.hpp"
#include "bomb.hpp"
#include "channel.hpp"
#include "tasklet.hpp"

#include <memory>

namespace martlet::python::stackless {
namespace {

/// `stackless.atomic`: a with block in which the current tasklet is atomic.
struct atomic_object {
  PyObject_HEAD bool before;
};

thread* thread_of_atomic(PyObject* self) { return thread::here(layer_of(Py_TYPE(self))); }

PyObject* enter_atomic(PyObject* self, PyObject*) {
  thread* mine = thread_of_atomic(self);
  if (mine == nullptr) {
    return nullptr;
  }
  reinterpret_cast<atomic_object*>(self)->before = set_atomic(mine->running(), true) != 0;
  Py_RETURN_NONE;
}

PyObject* exit_atomic(PyObject* self, PyObject*) {
  thread* mine = thread_of_atomic(self);
  if (mine == nullptr) {
    return nullptr;
  }
  set_atomic(mine->running(), reinterpret_cast<atomic_object*>(self)->before);
  Py_RETURN_NONE;
}

void dealloc_atomic(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  type->tp_free(self);
  Py_DECREF(type);
}

PyMethodDef atomic_methods[] = {
    {"__enter__", enter_atomic, METH_NOARGS, nullptr},
    {"__exit__", exit_atomic, METH_VARARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyType_Slot atomic_slots[] = {
    {Py_tp_doc, const_cast<char*>("atomic()\n--\n\nA with block in which the current tasklet is not interrupted.")},
    {Py_tp_new, reinterpret_cast<void*>(PyType_GenericNew)},
    {Py_tp_dealloc, reinterpret_cast<void*>(dealloc_atomic)},
    {Py_tp_methods, atomic_methods},
    {0, nullptr},
};

PyType_Spec atomic_spec = {"martlet.stackless.atomic", static_cast<int>(sizeof(atomic_object)), 0, Py_TPFLAGS_DEFAULT,
                           atomic_slots};

PyObject* enable_soft_switch(PyObject* module, PyObject* flag) {
  layer& home = layer_of(module);
  const bool before = home.switches_softly;
  if (flag != Py_None) {
    const int is_on = PyObject_IsTrue(flag);
    if (is_on < 0) {
      return nullptr;
    }
    home.switches_softly = is_on != 0;
  }
  return PyBool_FromLong(before ? 1 : 0);
}

constexpr long most_pickle_flags = 15;

// Reads what pickle_flags and pickle_flags_default take, changes the flags, and returns the old ones.
PyObject* change_flags(unsigned char& flags, PyObject* args, PyObject* kwargs, const char* format, const char* first) {
  const char* names[] = {first, "mask", nullptr};
  long wanted = -1;
  long mask = -1;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, format, const_cast<char**>(names), &wanted, &mask)) {
    return nullptr;
  }
  if (wanted < -1 || (wanted != -1 && (wanted & mask) > most_pickle_flags)) {
    PyErr_SetString(PyExc_ValueError, "you must not set an undefined pickle-flag");
    return nullptr;
  }
  const unsigned char before = flags;
  if (wanted != -1) {
    flags = static_cast<unsigned char>((before & ~mask) | (wanted & mask));
  }
  return PyLong_FromLong(before);
}

PyObject* pickle_flags(PyObject* module, PyObject* args, PyObject* kwargs) {
  thread* mine = thread::here(layer_of(module));
  return mine != nullptr ? change_flags(mine->pickle_flags, args, kwargs, "|ll:pickle_flags", "new_flags") : nullptr;
}

PyObject* pickle_flags_default(PyObject* module, PyObject* args, PyObject* kwargs) {
  return change_flags(layer_of(module).pickle_flags, args, kwargs, "|ll:pickle_flags_default", "new_default");
}

PyObject* get_debug(PyObject*, PyObject*) {
#ifdef Py_DEBUG
  Py_RETURN_TRUE;
#else
  Py_RETURN_FALSE;
#endif
}

PyMethodDef functions[] = {
    {"enable_softswitch", enable_soft_switch, METH_O,
     "enable_softswitch(flag, /)\n--\n\nReturns what was said before, True at first, and changes that unless flag is None.\n\nEvery "
     "tasklet has a C stack here. While it is off, tasklets that switch count one nesting level more, as there."},
    {"pickle_flags", as_method(pickle_flags), METH_VARARGS | METH_KEYWORDS,
     "pickle_flags(new_flags=-1, mask=-1)\n--\n\nReturns this thread's pickle flags, and changes them."},
    {"pickle_flags_default", as_method(pickle_flags_default), METH_VARARGS | METH_KEYWORDS,
     "pickle_flags_default(new_default=-1, mask=-1)\n--\n\nReturns the pickle flags of threads to come, and changes them."},
    {"getdebug", get_debug, METH_NOARGS, "getdebug()\n--\n\nReturns whether the interpreter is a debug build."},
    {nullptr, nullptr, 0, nullptr},
};

// TaskletExit is one of the builtins, as there; whoever has it first has it for all.
bool find_tasklet_exit(layer& home) {
  PyObject* builtins = PyEval_GetBuiltins();
  home.tasklet_exit = Py_XNewRef(builtins != nullptr ? PyDict_GetItemString(builtins, "TaskletExit") : nullptr);
  if (home.tasklet_exit == nullptr) {
    home.tasklet_exit =
        PyErr_NewExceptionWithDoc("builtins.TaskletExit",
                                  "Raised in a tasklet to end it. It is a SystemExit, so that 'except Exception' does "
                                  "not keep it.",
                                  PyExc_SystemExit, nullptr);
    if (home.tasklet_exit == nullptr || PyDict_SetItemString(builtins, "TaskletExit", home.tasklet_exit) < 0) {
      return false;
    }
  }
  return PyModule_AddObjectRef(home.module, "TaskletExit", home.tasklet_exit) == 0;
}

bool register_at_exit(PyObject* module) {
  const object atexit = object::take(PyImport_ImportModule("atexit"));
  const object end = object::take(PyObject_GetAttrString(module, "_end_at_exit"));
  const object done =
      object::take(atexit && end ? PyObject_CallMethod(atexit.get(), "register", "O", end.get()) : nullptr);
  return static_cast<bool>(done);
}

int execute(PyObject* module) {
  layer& home = *std::construct_at(static_cast<layer*>(PyModule_GetState(module)));
  home.module = module;
  const bool is_complete =
      find_tasklet_exit(home) && make_bomb_type(module, home) && make_tasklet_type(module, home) &&
      make_channel_type(module, home) && make_atomic_type(module, home) &&
      PyModule_AddFunctions(module, functions) == 0 && PyModule_AddFunctions(module, callback_functions) == 0 &&
      PyModule_AddFunctions(module, run_functions) == 0 && PyModule_AddFunctions(module, schedule_functions) == 0 &&
      PyModule_AddFunctions(module, thread_functions) == 0 && PyModule_AddFunctions(module, crew_functions) == 0 &&
      add_c_api(module) && register_at_exit(module);
  return is_complete ? 0 : -1;
}

int traverse(PyObject* module, visitproc visit, void* arg) {
  const layer& home = layer_of(module);
  Py_VISIT(reinterpret_cast<PyObject*>(home.tasklet_type));
  Py_VISIT(reinterpret_cast<PyObject*>(home.channel_type));
  Py_VISIT(reinterpret_cast<PyObject*>(home.bomb_type));
  Py_VISIT(reinterpret_cast<PyObject*>(home.atomic_type));
  Py_VISIT(home.tasklet_exit);
  Py_VISIT(home.memory_bomb);
  Py_VISIT(home.schedule_hook);
  Py_VISIT(home.channel_hook);
  Py_VISIT(home.error_handler);
  return 0;
}

// The types stay: a thread's record, and its main tasklet, may outlive the module.
int clear(PyObject* module) {
  layer& home = layer_of(module);
  for (hook* each : {&home.schedule_hook, &home.channel_hook, &home.error_handler}) {
    Py_DECREF(exchange_hook(*each, Py_None));
  }
  return 0;
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

PyModuleDef stackless_definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "martlet._stackless",
    .m_doc = "The native part of martlet.stackless; import that instead.",
    .m_size = sizeof(layer),
    .m_methods = nullptr,
    .m_slots = slots,
    .m_traverse = traverse,
    .m_clear = clear,
    .m_free = nullptr,
};

layer& layer_of(PyTypeObject* type) noexcept { return layer_of(PyType_GetModuleByDef(type, &stackless_definition)); }

bool make_atomic_type(PyObject* module, layer& home) {
  home.atomic_type = reinterpret_cast<PyTypeObject*>(PyType_FromModuleAndSpec(module, &atomic_spec, nullptr));
  return home.atomic_type != nullptr && PyModule_AddType(module, home.atomic_type) == 0;
}

}  // namespace martlet::python::stackless

namespace martlet::python {
namespace {

PyObject* make_stackless(PyObject*, PyObject*) {
  const object machinery = object::take(PyImport_ImportModule("importlib.machinery"));
  const object spec =
      object::take(machinery ? PyObject_CallMethod(machinery.get(), "ModuleSpec", "sO", "martlet._stackless", Py_None)
                             : nullptr);
  object module = object::take(spec ? PyModule_FromDefAndSpec(&stackless::stackless_definition, spec.get()) : nullptr);
  return module && PyModule_ExecDef(module.get(), &stackless::stackless_definition) == 0 ? module.release() : nullptr;
}

}  // namespace

PyMethodDef stackless_functions[] = {
    {"_make_stackless", make_stackless, METH_NOARGS,
     "_make_stackless($module, /)\n--\n\nMakes the native part of martlet.stackless, which most programs never need."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace martlet::python
