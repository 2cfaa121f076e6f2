#include "arguments.hpp"
#include "handle.hpp"

#include <martlet/tasklet/shield.hpp>

/// `shield`.
namespace martlet::python {
namespace {

/// `martlet.shield`: keeps cancellation away from the waits of its block.
struct shield_object {
  PyObject_HEAD module_state* state;
  PyObject* behind;  // the handle of the tasklet that entered it; null outside of any
  bool is_inside;
};

shield_object* as_shield(PyObject* self) noexcept { return reinterpret_cast<shield_object*>(self); }

PyObject* enter(PyObject* object, PyObject*) {
  shield_object* self = as_shield(object);
  if (self->is_inside) {
    PyErr_SetString(self->state->misuse, "a shield is entered once at a time: make another one");
    return nullptr;
  }
  if (tasklet_frame* who = current_tasklet(); who != nullptr) {
    if (detail::cancel::shields_in(who->record_.cancel_.load(base::relaxed)) == detail::cancel::most_shields) {
      PyErr_Format(self->state->misuse,
                   "a tasklet stands behind %d shields at most: one is enough for all that it calls",
                   static_cast<int>(detail::cancel::most_shields));
      return nullptr;
    }
    self->behind = Py_NewRef(reinterpret_cast<PyObject*>(who->self_));
    detail::raise_shield(who->record_);
  }
  self->is_inside = true;
  return Py_NewRef(object);
}

PyObject* exit(PyObject* object, PyObject* const*, Py_ssize_t) {
  shield_object* self = as_shield(object);
  tasklet_frame* who = current_tasklet();
  PyObject* mine = who == nullptr ? nullptr : reinterpret_cast<PyObject*>(who->self_);
  if (!self->is_inside || self->behind != mine) {
    PyErr_SetString(self->state->misuse, "a shield is left by the tasklet that entered it");
    return nullptr;
  }
  self->is_inside = false;
  if (who != nullptr) {
    detail::lower_shield(who->record_);
    Py_CLEAR(self->behind);
  }
  Py_RETURN_FALSE;
}

PyObject* make_shield(PyTypeObject* type, PyObject* args, PyObject* keywords) {
  if (PyTuple_GET_SIZE(args) != 0 || (keywords != nullptr && PyDict_GET_SIZE(keywords) != 0)) {
    PyErr_SetString(PyExc_TypeError, "shield() takes no arguments");
    return nullptr;
  }
  auto* self = as_shield(type->tp_alloc(type, 0));
  if (self != nullptr) {
    self->state = &state_of(type);
  }
  return reinterpret_cast<PyObject*>(self);
}

int traverse(PyObject* object, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(object));
  Py_VISIT(as_shield(object)->behind);
  return 0;
}

int clear(PyObject* object) {
  Py_CLEAR(as_shield(object)->behind);
  return 0;
}

void free_shield(PyObject* object) {
  PyTypeObject* type = Py_TYPE(object);
  PyObject_GC_UnTrack(object);
  clear(object);
  type->tp_free(object);
  Py_DECREF(type);
}

PyMethodDef methods[] = {
    {"__enter__", enter, METH_NOARGS, nullptr},
    {"__exit__", as_method(exit), METH_FASTCALL, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyType_Slot slots[] = {
    {Py_tp_doc,
     const_cast<char*>(
         "shield()\n--\n\n"
         "Keeps cancellation away from what its block waits for: for cleaning up.\n\n"
         "    try:\n"
         "        await work()\n"
         "    finally:\n"
         "        with martlet.shield():\n"
         "            await connection.aclose()\n\n"
         "'with' in both kinds of tasklets: entering and leaving never wait. A cancel that comes meanwhile, or\n"
         "came before, is heard by the first wait after the block. Keep it short, or give each wait in it a\n"
         "timeout of its own: nobody else can stop it, \'with timeout()\' neither. Shields nest. Outside of tasklets it does nothing.")},
    {Py_tp_new, reinterpret_cast<void*>(make_shield)},
    {Py_tp_dealloc, reinterpret_cast<void*>(free_shield)},
    {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
    {Py_tp_clear, reinterpret_cast<void*>(clear)},
    {Py_tp_methods, methods},
    {0, nullptr},
};

PyType_Spec spec = {
    .name = "martlet.shield",
    .basicsize = sizeof(shield_object),
    .itemsize = 0,
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

}  // namespace

bool add_shield(PyObject* module) { return add_type(module, spec); }

}  // namespace martlet::python
