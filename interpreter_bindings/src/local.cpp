#include "handle.hpp"

#include <structmember.h>

/// `local`.
namespace martlet::python {
namespace {

/// `martlet.local`: its attributes are each tasklet's own.
///
/// They lie in a dictionary of the tasklet, by the number of this object, and go with whichever ends first.
struct local_object {
  PyObject_HEAD module_state* state;
  PyObject* number;  // no two have the same
  PyObject* args;    // for __init__, once in each tasklet
  PyObject* keywords;
  PyObject* weak_references;
};

local_object* as_local(PyObject* self) noexcept { return reinterpret_cast<local_object*>(self); }

// Returns   the dictionary of whoever calls, with the values of all such objects: borrowed, null with an exception set.
PyObject* values_of_caller() {
  if (tasklet_frame* who = current_tasklet(); who != nullptr) {
    if (who->locals_ == nullptr) {
      who->locals_ = PyDict_New();
    }
    return who->locals_;
  }
  static constexpr const char* name = "martlet.local";
  PyObject* of_thread = PyThreadState_GetDict();
  if (of_thread == nullptr) {
    PyErr_NoMemory();
    return nullptr;
  }
  PyObject* values = PyDict_GetItemString(of_thread, name);
  if (values == nullptr) {
    const object made = object::take(PyDict_New());
    if (!made || PyDict_SetItemString(of_thread, name, made.get()) < 0) {
      return nullptr;
    }
    values = made.get();  // which the thread's dictionary keeps
  }
  return values;
}

bool has_init(PyTypeObject* type) noexcept { return type->tp_init != PyBaseObject_Type.tp_init; }

// Makes the attributes that the caller sees; they are removed when `self` is gone.
//
// Returns   null with an exception set.
object make_attributes(PyObject* self, PyObject* values, bool calls_init) {
  PyObject* number = as_local(self)->number;
  const object pop = object::take(PyObject_GetAttrString(values, "pop"));
  const object forget =
      object::take(pop ? PyObject_CallFunctionObjArgs(as_local(self)->state->partial_type, pop.get(), number, nullptr)
                       : nullptr);
  const object reference = object::take(forget ? PyWeakref_NewRef(self, forget.get()) : nullptr);
  object attributes = object::take(reference ? PyDict_New() : nullptr);
  const object entry = object::take(attributes ? PyTuple_Pack(2, attributes.get(), reference.get()) : nullptr);
  if (!entry || PyDict_SetItem(values, number, entry.get()) < 0) {
    return {};
  }
  if (calls_init && has_init(Py_TYPE(self)) &&
      Py_TYPE(self)->tp_init(self, as_local(self)->args, as_local(self)->keywords) < 0) {
    const error_set_aside raised;
    if (PyDict_DelItem(values, number) < 0) {  // the next use tries again
      PyErr_Clear();
    }
    return {};
  }
  return attributes;
}

// Returns   the attributes that the caller sees, null with an exception set.
object attributes_of_caller(PyObject* self) {
  PyObject* values = values_of_caller();
  if (values == nullptr) {
    return {};
  }
  PyObject* entry = PyDict_GetItemWithError(values, as_local(self)->number);
  if (entry != nullptr) [[likely]] {
    return object::share(PyTuple_GET_ITEM(entry, 0));
  }
  return PyErr_Occurred() != nullptr ? object() : make_attributes(self, values, true);
}

bool is_dictionary(PyObject* name) noexcept { return PyUnicode_CompareWithASCIIString(name, "__dict__") == 0; }

PyObject* get_attribute(PyObject* self, PyObject* name) {
  const object attributes = attributes_of_caller(self);
  if (!attributes) {
    return nullptr;
  }
  if (is_dictionary(name)) {
    return attributes.new_reference();
  }
  PyObject* found = PyDict_GetItemWithError(attributes.get(), name);
  if (found != nullptr) {
    return Py_NewRef(found);
  }
  return PyErr_Occurred() != nullptr ? nullptr : PyObject_GenericGetAttr(self, name);
}

// Whether the class itself says what setting means: a property.
bool is_set_by_class(PyObject* self, PyObject* name) {
  const object found = object::take(PyObject_GetAttr(reinterpret_cast<PyObject*>(Py_TYPE(self)), name));
  PyErr_Clear();
  return found && Py_TYPE(found.get())->tp_descr_set != nullptr;
}

int set_attribute(PyObject* self, PyObject* name, PyObject* value) {
  if (is_dictionary(name)) {
    PyErr_SetString(PyExc_AttributeError, "the __dict__ of a local cannot be replaced, only changed");
    return -1;
  }
  const object attributes = attributes_of_caller(self);
  if (!attributes) {
    return -1;
  }
  if (is_set_by_class(self, name)) {
    return PyObject_GenericSetAttr(self, name, value);
  }
  if (value != nullptr) {
    return PyDict_SetItem(attributes.get(), name, value);
  }
  const int is_there = PyDict_Contains(attributes.get(), name);
  if (is_there == 0) {
    PyErr_Format(PyExc_AttributeError, "this %s has no attribute %R in this tasklet", Py_TYPE(self)->tp_name, name);
  }
  return is_there == 1 ? PyDict_DelItem(attributes.get(), name) : -1;
}

PyObject* make_local(PyTypeObject* type, PyObject* args, PyObject* keywords) {
  static base::atomic<long long> last{0};
  if (!has_init(type) && (PyTuple_GET_SIZE(args) != 0 || (keywords != nullptr && PyDict_GET_SIZE(keywords) != 0))) {
    PyErr_SetString(PyExc_TypeError, "local() takes no arguments; a subclass with an __init__ may");
    return nullptr;
  }
  object made = object::take(type->tp_alloc(type, 0));
  if (!made) {
    return nullptr;
  }
  local_object* self = as_local(made.get());
  self->state = &state_of(PyType_GetModuleByDef(type, &definition));  // not of the type's: it may be a subclass
  self->number = PyLong_FromLongLong(last.fetch_add(1, base::relaxed));
  self->args = Py_NewRef(args);
  self->keywords = Py_XNewRef(keywords);
  if (self->number == nullptr) {
    return nullptr;
  }
  PyObject* values = values_of_caller();
  // For the caller __init__ is called as for any object, next.
  return values != nullptr && make_attributes(made.get(), values, false) ? made.release() : nullptr;
}

int traverse(PyObject* object, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(object));
  Py_VISIT(as_local(object)->args);
  Py_VISIT(as_local(object)->keywords);
  return 0;
}

int clear(PyObject* object) {
  Py_CLEAR(as_local(object)->args);
  Py_CLEAR(as_local(object)->keywords);
  return 0;
}

void free_local(PyObject* object) {
  PyTypeObject* type = Py_TYPE(object);
  PyObject_GC_UnTrack(object);
  if (as_local(object)->weak_references != nullptr) {
    PyObject_ClearWeakRefs(object);  // which removes the attributes, everybody's
  }
  clear(object);
  Py_CLEAR(as_local(object)->number);
  type->tp_free(object);
  Py_DECREF(type);
}

PyMemberDef members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(local_object, weak_references), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr},
};

PyType_Slot slots[] = {
    {Py_tp_doc,
     const_cast<char*>(
         "local()\n--\n\n"
         "threading.local for tasklets: each tasklet, and each plain thread, has attributes of its own in it.\n\n"
         "They go with the tasklet. A new tasklet has none, whatever its parent has: what children inherit is a\n"
         "contextvars.ContextVar. A subclass's __init__ is called once in each that uses it.")},
    {Py_tp_new, reinterpret_cast<void*>(make_local)},
    {Py_tp_dealloc, reinterpret_cast<void*>(free_local)},
    {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
    {Py_tp_clear, reinterpret_cast<void*>(clear)},
    {Py_tp_getattro, reinterpret_cast<void*>(get_attribute)},
    {Py_tp_setattro, reinterpret_cast<void*>(set_attribute)},
    {Py_tp_members, members},
    {0, nullptr},
};

PyType_Spec spec = {
    .name = "martlet.local",
    .basicsize = sizeof(local_object),
    .itemsize = 0,
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

}  // namespace

bool add_local(PyObject* module) { return add_type(module, spec); }

}  // namespace martlet::python
