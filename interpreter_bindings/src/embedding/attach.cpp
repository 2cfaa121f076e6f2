#include <martlet/python/attach.hpp>

#include <string>

#include <martlet/python/error.hpp>

#include "embedding.hpp"

PyMODINIT_FUNC PyInit__martlet();

namespace martlet::python {
namespace {

constexpr const char* module_name = "martlet._martlet";

// Other interpreters of the process (isolated workers) find it among the built-in modules.
[[maybe_unused]] const int announced =
    Py_IsInitialized() != 0 ? 0 : PyImport_AppendInittab(module_name, &PyInit__martlet);

bool is_attached_to_main_interpreter() noexcept {
#if PY_VERSION_HEX >= 0x030D0000
  PyThreadState* now = PyThreadState_GetUnchecked();
#else
  PyThreadState* now = _PyThreadState_UncheckedGet();  // 3.11 tells whichever thread has the lock
#endif
  return now != nullptr && now == PyGILState_GetThisThreadState() &&
         PyThreadState_GetInterpreter(now) == PyInterpreterState_Main();
}

void require_attached(const char* call) {
  if (Py_IsInitialized() == 0) {
    throw misuse(std::string(call) + ": there is no Python interpreter in this process: call Py_Initialize before it");
  }
  if (detail::current_host() != nullptr) {
    attach();
  } else if (!is_attached_to_main_interpreter()) {
    throw misuse(std::string(call) +
                 ": this thread is not attached to the main interpreter: call it where CPython's own functions may be "
                 "called (after Py_Initialize, or between PyGILState_Ensure and PyGILState_Release)");
  }
}

// By hand: 3.11 does not look for a part of a package among the built-in modules.
void make_module(const char* call) {
  PyObject* modules = PyImport_GetModuleDict();  // borrowed
  if (PyDict_GetItemString(modules, module_name) != nullptr) {
    throw misuse(std::string(call) +
                 ": martlet was imported before, as an extension module, which has a scheduler of its own: call "
                 "martlet::python::install before anything imports martlet");
  }
  const auto machinery = reference::take(PyImport_ImportModule("importlib.machinery"));
  const auto spec = reference::take(PyObject_CallMethod(machinery.get(), "ModuleSpec", "sO", module_name, Py_None));
  const auto module = reference::take(PyModule_FromDefAndSpec(&definition, spec.get()));
  if (PyModule_ExecDef(module.get(), &definition) < 0 || PyDict_SetItemString(modules, module_name, module.get()) < 0) {
    throw_raised();
  }
}

void import_package(const char* call) {
  PyObject* package = PyImport_ImportModule("martlet");
  if (package == nullptr && PyErr_ExceptionMatches(PyExc_ModuleNotFoundError) != 0) {
    const error missing(reference::take(take_error().release()));
    throw misuse(std::string(call) +
                 ": martlet's Python files are not where Python looks for modules: put the folder that has martlet/ on "
                 "PYTHONPATH, or into sys.path (" +
                 missing.what() + ")");
  }
  const auto imported = reference::take(package);
  PyObject* native = PyDict_GetItemString(PyImport_GetModuleDict(), module_name);  // borrowed, both
  if (PyObject_SetAttrString(package, "_martlet", native) < 0) {
    throw_raised();
  }
}

}  // namespace

module_state* find_state() noexcept {
  PyObject* present = PyDict_GetItemString(PyImport_GetModuleDict(), module_name);  // borrowed, both
  return present != nullptr && PyModule_Check(present) && PyModule_GetDef(present) == &definition ? &state_of(present)
                                                                                                  : nullptr;
}

module_state& installed(const char* call) {
  require_attached(call);
  module_state* present = find_state();
  if (present == nullptr || PyDict_GetItemString(PyImport_GetModuleDict(), "martlet") == nullptr) {
    if (present == nullptr) {
      make_module(call);
    }
    import_package(call);
  }
  return *find_state();
}

run* run_of_worker(const detail::host& here) noexcept {
  if (here.attachment_ != nullptr) [[likely]] {
    return static_cast<attachment*>(here.attachment_)->of;
  }
  if (Py_IsInitialized() == 0) {
    return nullptr;
  }
  // A lent thread that has not run Python yet: it is attached as the thread that it was before.
  run* found = nullptr;
  const PyGILState_STATE before = PyGILState_Ensure();
  if (module_state* state = find_state(); state != nullptr) {
    const std::lock_guard guard(state->lock);
    for (const std::shared_ptr<run>& one : state->runs) {
      if (one->has_caller_inside()) {
        found = one.get();
      }
    }
  }
  PyGILState_Release(before);
  return found;
}

access::access() noexcept {
  detail::host* here = detail::current_host();
  if (run* all = here == nullptr ? nullptr : run_of_worker(*here); all != nullptr) {
    all->attach_for_cpp(*here);
  } else {
    before_ = PyGILState_Ensure();
  }
}

access::~access() {
  if (before_) {
    PyGILState_Release(*before_);
  }
}

void install() { installed("install"); }

void attach() {
  detail::host* here = detail::current_host();
  run* all = here == nullptr ? nullptr : run_of_worker(*here);
  if (all == nullptr) {
    throw misuse(
        "attach: this thread runs no tasklets of a martlet::python::run_here, and a worker of another scheduler would keep "
        "the interpreter: call it in a tasklet there; on a plain thread use PyGILState_Ensure");
  }
  if (here->fiber_ != nullptr && !can_switch_thread_state) {
    throw misuse(
        "attach: martlet does not know how this version of CPython watches the stack of a thread, so a fiber cannot use "
        "it: attach in a coroutine");
  }
  all->attach_for_cpp(*here);
}

}  // namespace martlet::python
