#include "bomb.hpp"

#include "../arguments.hpp"

namespace martlet::python::stackless {
namespace {

bomb* as_bomb(PyObject* one) noexcept { return reinterpret_cast<bomb*>(one); }

bomb* new_bomb(layer& home) noexcept { return as_bomb(home.bomb_type->tp_alloc(home.bomb_type, 0)); }

object bomb_of(layer& home, PyObject* type, PyObject* value, PyObject* traceback) noexcept {
  bomb* made = new_bomb(home);
  if (made != nullptr) {
    made->type = Py_XNewRef(type);
    made->value = Py_XNewRef(value);
    made->traceback = Py_XNewRef(traceback);
  }
  return object::take(reinterpret_cast<PyObject*>(made));
}

// It is sloppy about its arguments: bomb(sys.exc_info()) is bomb(*sys.exc_info()).
PyObject* create(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  object unpacked;
  if (PyTuple_GET_SIZE(args) == 1 && PyTuple_Check(PyTuple_GET_ITEM(args, 0))) {
    unpacked = object::share(PyTuple_GET_ITEM(args, 0));
    args = unpacked.get();
  }
  static const char* names[] = {"type", "value", "traceback", nullptr};
  PyObject* what = nullptr;
  PyObject* value = nullptr;
  PyObject* traceback = nullptr;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OOO:bomb", const_cast<char**>(names), &what, &value, &traceback)) {
    return nullptr;
  }
  return bomb_of(layer_of(type), what, value, traceback).release();
}

int traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(as_bomb(self)->type);
  Py_VISIT(as_bomb(self)->value);
  Py_VISIT(as_bomb(self)->traceback);
  return 0;
}

int clear(PyObject* self) {
  Py_CLEAR(as_bomb(self)->type);
  Py_CLEAR(as_bomb(self)->value);
  Py_CLEAR(as_bomb(self)->traceback);
  return 0;
}

void dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  clear(self);
  type->tp_free(self);
  Py_DECREF(type);
}

PyObject* reduce(PyObject* self, PyObject*) {
  const auto part = [](PyObject* one) { return one != nullptr ? one : Py_None; };
  return Py_BuildValue("(O(OOO))", Py_TYPE(self), part(as_bomb(self)->type), part(as_bomb(self)->value),
                       part(as_bomb(self)->traceback));
}

PyObject* part(PyObject* self, void* which) {
  PyObject* const bomb::* members[] = {&bomb::type, &bomb::value, &bomb::traceback};
  PyObject* one = as_bomb(self)->*members[reinterpret_cast<std::uintptr_t>(which)];
  return Py_NewRef(one != nullptr ? one : Py_None);
}

PyMethodDef methods[] = {
    {"__reduce__", reduce, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyGetSetDef attributes[] = {
    {"type", part, nullptr, "The exception's class.", reinterpret_cast<void*>(0)},
    {"value", part, nullptr, "The exception, or what it is made of.", reinterpret_cast<void*>(1)},
    {"traceback", part, nullptr, "Where it was raised, or None.", reinterpret_cast<void*>(2)},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyType_Slot slots[] = {
    {Py_tp_doc,
     const_cast<char*>("bomb(type=None, value=None, traceback=None)\n--\n\n"
                       "An exception that lies in a tasklet's tempval: it is raised when the tasklet goes on.")},
    {Py_tp_new, reinterpret_cast<void*>(create)},
    {Py_tp_dealloc, reinterpret_cast<void*>(dealloc)},
    {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
    {Py_tp_clear, reinterpret_cast<void*>(clear)},
    {Py_tp_methods, methods},
    {Py_tp_getset, attributes},
    {0, nullptr},
};

PyType_Spec spec = {"martlet.stackless.bomb", static_cast<int>(sizeof(bomb)), 0,
                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, slots};

PyObject* raise_type_error(const char* text) {
  PyErr_SetString(PyExc_TypeError, text);
  return nullptr;
}

}  // namespace

object make_bomb(layer& home, PyObject* type, PyObject* args, const char* call) {
  if (!PyExceptionClass_Check(type)) {
    PyErr_Format(PyExc_TypeError, "%s needs Exception or string subclass as first parameter", call);
    return {};
  }
  const object value = PyTuple_Check(args) ? object::share(args) : object::take(PyTuple_Pack(1, args));
  return value ? bomb_of(home, type, value.get(), nullptr) : object();
}

object make_bomb(layer& home, PyObject* type, PyObject* value, PyObject* traceback) {
  if (value == Py_None) {
    value = nullptr;
  }
  if (traceback == Py_None) {
    traceback = nullptr;
  }
  if (traceback != nullptr && !PyTraceBack_Check(traceback)) {
    raise_type_error("third argument must be a traceback object");
    return {};
  }
  if (PyExceptionInstance_Check(type)) {
    if (value != nullptr) {
      raise_type_error("instance exception may not have a separate value");
      return {};
    }
    return bomb_of(home, PyExceptionInstance_Class(type), type, traceback);
  }
  if (!PyExceptionClass_Check(type)) {
    PyErr_Format(PyExc_TypeError, "exceptions must be classes, or instances, not %s", Py_TYPE(type)->tp_name);
    return {};
  }
  return bomb_of(home, type, value, traceback);
}

object bomb_of_error(layer& home) noexcept {
  PyObject* type = nullptr;
  PyObject* value = nullptr;
  PyObject* traceback = nullptr;
  PyErr_Fetch(&type, &value, &traceback);
  bomb* made = new_bomb(home);
  if (made == nullptr) {
    PyErr_Clear();
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
    return object::share(home.memory_bomb);
  }
  made->type = type;
  made->value = value;
  made->traceback = traceback;
  return object::take(reinterpret_cast<PyObject*>(made));
}

object runtime_error_bomb(layer& home, const char* text) noexcept {
  PyErr_SetString(PyExc_RuntimeError, text);
  return bomb_of_error(home);
}

PyObject* explode(layer& home, object value) noexcept {
  if (!is_bomb(home, value.get())) [[likely]] {
    return value.release();
  }
  const bomb& one = *as_bomb(value.get());
  if (one.type == nullptr || !PyExceptionClass_Check(one.type)) {  // somebody has made it by hand
    PyErr_Format(PyExc_TypeError, "exceptions must be classes, or instances, not %s",
                 one.type == nullptr ? "NoneType" : Py_TYPE(one.type)->tp_name);
    return nullptr;
  }
  PyErr_Restore(Py_XNewRef(one.type), Py_XNewRef(one.value), Py_XNewRef(one.traceback));
  if (one.ends_process) {
    PyErr_PrintEx(0);  // it ends the process, unless that is to become interactive
    return Py_NewRef(Py_None);
  }
  return nullptr;
}

bool make_bomb_type(PyObject* module, layer& home) {
  home.bomb_type = reinterpret_cast<PyTypeObject*>(PyType_FromModuleAndSpec(module, &spec, nullptr));
  if (home.bomb_type == nullptr || PyModule_AddType(module, home.bomb_type) < 0) {
    return false;
  }
  home.memory_bomb = bomb_of(home, PyExc_MemoryError, nullptr, nullptr).release();
  return home.memory_bomb != nullptr;
}

}  // namespace martlet::python::stackless
