#include "c_api.hpp"

#include "bomb.hpp"
#include "run.hpp"
#include "schedule.hpp"

namespace martlet::python::stackless {
namespace c_api {
namespace {

// Says that something else was expected than what was given; a null that an earlier call has failed with keeps that one's exception.
void refuse(PyObject* given, const char* call, const char* expected) {
  if (given != nullptr) {
    PyErr_Format(PyExc_TypeError, "martlet.stackless: %s needs %s, not %s", call, expected, Py_TYPE(given)->tp_name);
  } else if (PyErr_Occurred() == nullptr) {
    PyErr_Format(PyExc_TypeError, "martlet.stackless: %s needs %s, not NULL", call, expected);
  }
}

// Calls a function of the module with what was given, None when that is null.
PyObject* set_hook(const char* setter, PyObject* callable) {
  const layer* home = may_run() ? find_layer() : nullptr;
  return home != nullptr ? PyObject_CallMethod(home->module, setter, "(O)", callable != nullptr ? callable : Py_None)
                         : nullptr;
}

int count_runnable() {
  const thread* mine = here();
  const guard held(chains);
  return mine != nullptr ? mine->runnable : -1;
}

int change_switch_trap(int change, int* before) {
  thread* mine = here();
  if (mine == nullptr) {
    return -1;
  }
  const int old = std::exchange(mine->switch_traps, mine->switch_traps + change);
  if (before != nullptr) {
    *before = old;
  }
  return 0;
}

long count_tasklets(long layer::* which) {
  layer* home = find_layer();
  const guard held(chains);
  return home != nullptr ? home->*which : -1;
}

PyObject* run_with(long limit, unsigned flags) {
  constexpr unsigned all = MARTLET_STACKLESS_THREADBLOCK | MARTLET_STACKLESS_SOFT | MARTLET_STACKLESS_IGNORE_NESTING |
                           MARTLET_STACKLESS_TOTAL_TIMEOUT;
  static_assert(all == (thread_blocks | soft | ignores_nesting | total_timeout));
  if (!may_run()) {
    return nullptr;
  }
  if ((flags & ~all) != 0) {
    PyErr_Format(PyExc_ValueError, "martlet.stackless: run knows the flags %u, not %u", all, flags);
    return nullptr;
  }
  thread* mine = here();
  return mine != nullptr ? run(*mine, limit, flags) : nullptr;
}

int run_number(unsigned count) {
  if (!may_run()) {
    return -1;
  }
  if (count == 0) {
    PyErr_SetString(PyExc_RuntimeError, "Invalid number: Number of Tasklets to run must be greater than 0.");
    return -1;
  }
  thread* mine = here();
  const object result = object::take(mine != nullptr ? run_some(*mine, count) : nullptr);
  return result ? 0 : -1;
}

void add_thread(martlet_stackless_api& to) {
  to.get_current = []() -> PyObject* {
    const thread* mine = here();
    return mine != nullptr ? Py_NewRef(mine->running().self()) : nullptr;
  };
  to.get_main = []() -> PyObject* {
    const thread* mine = here();
    return mine != nullptr ? Py_NewRef(mine->main->self()) : nullptr;
  };
  to.get_run_count = &count_runnable;
  to.get_active_tasklet_count = [] { return count_tasklets(&layer::alive); };
  to.get_all_time_tasklet_count = [] { return count_tasklets(&layer::made); };
  to.switch_trap = &change_switch_trap;
  to.set_schedule_callback = [](PyObject* callable) { return set_hook("set_schedule_callback", callable); };
  to.set_channel_callback = [](PyObject* callable) { return set_hook("set_channel_callback", callable); };
  to.set_error_handler = [](PyObject* callable) { return set_hook("set_error_handler", callable); };
  to.get_tasklet_exit = []() -> PyObject* {
    const layer* home = find_layer();
    return home != nullptr ? Py_NewRef(home->tasklet_exit) : nullptr;
  };
  to.schedule = [](PyObject* value, int removes) -> PyObject* {
    thread* mine = may_run() ? here() : nullptr;
    return mine != nullptr ? schedule_next(*mine, value != nullptr ? value : Py_None, removes != 0) : nullptr;
  };
  to.run = &run_with;
  to.run_n_tasklets = &run_number;
}

martlet_stackless_api make_api() {
  martlet_stackless_api made{};
  made.version = MARTLET_STACKLESS_API_VERSION;
  made.size = sizeof(made);
  add_tasklets(made);
  add_channels(made);
  add_thread(made);
  return made;
}

}  // namespace

layer* find_layer() {
  if (thread* mine = thread::of(PyThreadState_Get()); mine != nullptr) [[likely]] {
    return &mine->home;
  }
  const error_set_aside earlier;
  const object name = object::take(PyUnicode_FromString("martlet._stackless"));
  const object module = object::take(name ? PyImport_GetModule(name.get()) : nullptr);
  if (module && PyModule_Check(module.get()) && PyModule_GetDef(module.get()) == &stackless_definition) {
    return &layer_of(module.get());  // the interpreter keeps it
  }
  if (PyErr_Occurred() == nullptr) {
    PyErr_SetString(PyExc_RuntimeError, "martlet.stackless: this interpreter has not imported it");
  }
  return nullptr;
}

thread* here() {
  layer* home = find_layer();
  thread* mine = home != nullptr ? thread::here(*home) : nullptr;
  if (mine != nullptr) {
    mine->running().arguments = nullptr;  // those of an earlier call, which the interpreter has made
  }
  return mine;
}

bool may_run() { return PyErr_Occurred() == nullptr; }

bool is_given(PyObject* one, const char* call, const char* expected) {
  if (one == nullptr) {
    refuse(one, call, expected);
  }
  return one != nullptr;
}

bool is_of(PyObject* given, PyTypeObject* layer::* type) {
  const error_set_aside earlier;
  const layer* home = find_layer();
  PyErr_Clear();
  return home != nullptr && given != nullptr && PyObject_TypeCheck(given, home->*type) != 0;
}

tasklet* tasklet_of(PyObject* given, const char* call) {
  const layer* home = find_layer();
  if (home == nullptr) {
    return nullptr;
  }
  if (given == nullptr || PyObject_TypeCheck(given, home->tasklet_type) == 0) {
    refuse(given, call, "a tasklet");
    return nullptr;
  }
  return as_tasklet(given);
}

channel* channel_of(PyObject* given, const char* call) {
  const layer* home = find_layer();
  if (home == nullptr) {
    return nullptr;
  }
  if (given == nullptr || PyObject_TypeCheck(given, home->channel_type) == 0) {
    refuse(given, call, "a channel");
    return nullptr;
  }
  return as_channel(given);
}

PyObject* make(PyTypeObject* type, PyTypeObject* base, PyObject* argument, const char* call) {
  if (!may_run()) {
    return nullptr;
  }
  PyObject* given = reinterpret_cast<PyObject*>(type != nullptr ? type : base);
  if (!PyType_Check(given) || PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(given), base) == 0) {
    PyErr_Format(PyExc_TypeError, "martlet.stackless: %s needs a class derived from %s, not %R", call, base->tp_name,
                 given);
    return nullptr;
  }
  return argument != nullptr ? PyObject_CallOneArg(given, argument) : PyObject_CallNoArgs(given);
}

object bomb_of(layer& home, PyObject* type, PyObject* args, const char* call, const char* method) {
  if (!may_run() || !is_given(type, call, "a class of exceptions")) {
    return {};
  }
  const object given = args != nullptr ? object::share(args) : object::take(PyTuple_New(0));
  return given ? make_bomb(home, type, given.get(), method) : object();
}

object bomb_of(layer& home, PyObject* type, PyObject* value, PyObject* traceback, const char* call) {
  return may_run() && is_given(type, call, "an exception") ? make_bomb(home, type, value, traceback) : object();
}

}  // namespace c_api

bool add_c_api(PyObject* module) {
  static martlet_stackless_api api = c_api::make_api();
  const object capsule = object::take(PyCapsule_New(&api, MARTLET_STACKLESS_API_NAME, nullptr));
  return capsule && PyModule_AddObjectRef(module, "_C_API", capsule.get()) == 0;
}

}  // namespace martlet::python::stackless
