#include "parcel.hpp"

#include <utility>

#include "arguments.hpp"
#include "channel.hpp"
#include "module_state.hpp"
#include "wait.hpp"

namespace martlet::python {

// ---- buffers

void buffer_home::lend() {
  const std::lock_guard guard(lock_);
  returned_.reserve(returned_.size() + away_ + 1);  // so that none comes home in vain
  ++away_;
}

void buffer_home::stays() noexcept {
  const std::lock_guard guard(lock_);
  --away_;
}

void buffer_home::give_back(const Py_buffer& view) noexcept {
  const std::lock_guard guard(lock_);
  --away_;
  if (!is_closed_) {
    returned_.push_back(view);
  }
}

std::size_t buffer_home::release_returned() {
  std::vector<Py_buffer> home;
  std::size_t away = 0;
  {
    const std::lock_guard guard(lock_);
    away = away_;
    if (returned_.empty()) [[likely]] {
      return away;
    }
    std::vector<Py_buffer> room;
    room.reserve(away);
    home.swap(returned_);
    returned_.swap(room);
  }
  for (Py_buffer& view : home) {
    PyBuffer_Release(&view);
  }
  return away;
}

void buffer_home::close() noexcept {
  release_returned();
  const std::lock_guard guard(lock_);
  is_closed_ = true;
}

bool lent_buffer::lend(PyObject* of, const std::shared_ptr<buffer_home>& home) {
  home->lend();
  if (PyObject_GetBuffer(of, &view_, PyBUF_SIMPLE) < 0) {
    home->stays();
    return false;
  }
  home_ = home;
  return true;
}

// ---- cargo

cargo::cargo(std::unique_ptr<parcel> value) noexcept
    : bits_(reinterpret_cast<std::uintptr_t>(value.release()) | is_parcel_bit) {}

void cargo::drop_parcel() noexcept { take_parcel(); }

std::unique_ptr<parcel> cargo::take_parcel() noexcept {
  return std::unique_ptr<parcel>(reinterpret_cast<parcel*>(std::exchange(bits_, 0) & ~is_parcel_bit));
}

namespace {

// ---- `parcel`: packed here, to be opened elsewhere

struct parcel_object {
  PyObject_HEAD module_state* state;
  std::unique_ptr<parcel> content;  // null once it has been opened or sent
};

parcel_object* as_parcel(PyObject* self) noexcept { return reinterpret_cast<parcel_object*>(self); }

PyObject* make_parcel_object(module_state& state, std::unique_ptr<parcel> content) {
  PyObject* made = state.parcel_type->tp_alloc(state.parcel_type, 0);
  if (made != nullptr) {
    as_parcel(made)->state = &state;
    std::construct_at(&as_parcel(made)->content, std::move(content));
  }
  return made;
}

PyObject* new_parcel(PyTypeObject* type, PyObject* args, PyObject* keywords) {
  static char name[] = "value";
  static char* names[] = {name, nullptr};
  PyObject* value = nullptr;
  if (PyArg_ParseTupleAndKeywords(args, keywords, "O:parcel", names, &value) == 0) {
    return nullptr;
  }
  module_state& state = state_of(type);
  std::unique_ptr<parcel> content = pack(state, value);
  return content == nullptr ? nullptr : make_parcel_object(state, std::move(content));
}

std::unique_ptr<parcel> take_content(PyObject* self) {
  if (as_parcel(self)->content == nullptr) {
    PyErr_SetString(as_parcel(self)->state->misuse, "a parcel is sent or opened once, and this one was");
  }
  return std::move(as_parcel(self)->content);
}

PyObject* open_parcel(PyObject* self, PyObject*) {
  std::unique_ptr<parcel> content = take_content(self);
  return content == nullptr ? nullptr : unpack(*as_parcel(self)->state, std::move(content));
}

void free_parcel_object(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  std::destroy_at(&as_parcel(self)->content);
  type->tp_free(self);
  Py_DECREF(type);
}

PyMethodDef parcel_methods[] = {
    {"open", open_parcel, METH_NOARGS, "open($self, /)\n--\n\nMakes the value in this interpreter. Once."},
    {nullptr, nullptr, 0, nullptr},
};

PyType_Slot parcel_slots[] = {
    {Py_tp_doc, const_cast<char*>("parcel(value)\n--\n\nA value that is packed, to be opened in another interpreter.")},
    {Py_tp_new, reinterpret_cast<void*>(new_parcel)},
    {Py_tp_dealloc, reinterpret_cast<void*>(free_parcel_object)},
    {Py_tp_methods, parcel_methods},
    {0, nullptr},
};

PyType_Spec parcel_spec = {
    .name = "martlet._martlet.parcel",
    .basicsize = sizeof(parcel_object),
    .itemsize = 0,
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = parcel_slots,
};

// ---- `borrowed`: memory of another interpreter's

struct borrowed_object {
  PyObject_HEAD std::unique_ptr<lent_buffer> memory;
};

borrowed_object* as_borrowed(PyObject* self) noexcept { return reinterpret_cast<borrowed_object*>(self); }

int get_buffer(PyObject* self, Py_buffer* view, int flags) {
  const Py_buffer& lent = as_borrowed(self)->memory->view();
  return PyBuffer_FillInfo(view, self, lent.buf, lent.len, lent.readonly, flags);
}

void free_borrowed(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  std::destroy_at(&as_borrowed(self)->memory);
  type->tp_free(self);
  Py_DECREF(type);
}

PyType_Slot borrowed_slots[] = {
    {Py_tp_doc,
     const_cast<char*>("Memory of an object in another interpreter, which keeps it until this one is gone.")},
    {Py_tp_dealloc, reinterpret_cast<void*>(free_borrowed)},
    {Py_bf_getbuffer, reinterpret_cast<void*>(get_buffer)},
    {0, nullptr},
};

PyType_Spec borrowed_spec = {
    .name = "martlet._martlet.borrowed",
    .basicsize = sizeof(borrowed_object),
    .itemsize = 0,
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = borrowed_slots,
};

PyObject* make_borrowed(module_state& state, std::unique_ptr<lent_buffer> memory) {
  PyObject* made = state.borrowed_type->tp_alloc(state.borrowed_type, 0);
  if (made != nullptr) {
    std::construct_at(&as_borrowed(made)->memory, std::move(memory));
  }
  return made;
}

// ---- packing

bool add_item(module_state& state, parcel& to, PyObject* what) {
  if (Py_IS_TYPE(what, state.channel_type)) {
    to.items.emplace_back(reinterpret_cast<channel_object*>(what)->values);
  } else if (Py_IS_TYPE(what, state.parcel_type)) {
    std::unique_ptr<parcel> content = take_content(what);
    if (content == nullptr) {
      return false;
    }
    to.items.emplace_back(std::move(content));
  } else {
    to.items.reserve(to.items.size() + 1);
    auto memory = std::make_unique<lent_buffer>();
    if (!memory->lend(what, state.home)) {
      return false;
    }
    to.items.emplace_back(std::move(memory));
  }
  return true;
}

object make_item(module_state& state, parcel::item from) {
  if (auto* shared = std::get_if<std::shared_ptr<channel<cargo>>>(&from); shared != nullptr) {
    return object::take(make_isolated_channel(state, std::move(*shared)));
  }
  if (auto* memory = std::get_if<std::unique_ptr<lent_buffer>>(&from); memory != nullptr) {
    return object::take(make_borrowed(state, std::move(*memory)));
  }
  return object::take(make_parcel_object(state, std::move(std::get<std::unique_ptr<parcel>>(from))));
}

PyObject* function_for_crossing(const char* name) {
  const object module = object::take(PyImport_ImportModule("martlet._crossing"));
  return module ? PyObject_GetAttrString(module.get(), name) : nullptr;
}

// How an isolated worker is given its first channel: by a number that only it knows.
PyObject* leave_channel(PyObject*, PyObject* what) {
  return PyLong_FromVoidPtr(new std::shared_ptr(reinterpret_cast<channel_object*>(what)->values));
}

PyObject* fetch_channel(PyObject* module, PyObject* number) {
  const std::unique_ptr<std::shared_ptr<channel<cargo>>> left(
      static_cast<std::shared_ptr<channel<cargo>>*>(PyLong_AsVoidPtr(number)));
  return left == nullptr ? nullptr : make_isolated_channel(state_of(module), std::move(*left));
}

PyObject* count_lent(PyObject* module, PyObject*) {
  return PyLong_FromSize_t(state_of(module).home->release_returned());
}

PyMethodDef functions[] = {
    {"_leave_channel", leave_channel, METH_O, nullptr},
    {"_fetch_channel", fetch_channel, METH_O, nullptr},
    {"_count_lent", count_lent, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

std::unique_ptr<parcel> pack(module_state& state, PyObject* value) {
  state.home->release_returned();
  if (Py_IS_TYPE(value, state.parcel_type)) {
    return take_content(value);
  }
  const object function = object::take(function_for_crossing("pack"));
  const object both = object::take(function ? PyObject_CallOneArg(function.get(), value) : nullptr);
  char* bytes = nullptr;
  Py_ssize_t size = 0;
  PyObject* items = nullptr;  // borrowed, a list
  if (!both || PyArg_ParseTuple(both.get(), "y#O!", &bytes, &size, &PyList_Type, &items) == 0) {
    return nullptr;
  }
  try {
    auto made = std::make_unique<parcel>();
    made->pickled.assign(bytes, static_cast<std::size_t>(size));
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(items); ++i) {
      if (!add_item(state, *made, PyList_GET_ITEM(items, i))) {
        return nullptr;
      }
    }
    return made;
  } catch (...) {
    raise_what_was_caught(state);
    return nullptr;
  }
}

PyObject* unpack(module_state& state, std::unique_ptr<parcel> from) {
  state.home->release_returned();
  const object function = object::take(function_for_crossing("unpack"));
  const object items = object::take(PyList_New(0));
  if (!function || !items) {
    return nullptr;
  }
  for (parcel::item& one : from->items) {
    const object made = make_item(state, std::move(one));
    if (!made || PyList_Append(items.get(), made.get()) < 0) {
      return nullptr;
    }
  }
  return PyObject_CallFunction(function.get(), "y#O", from->pickled.data(),
                               static_cast<Py_ssize_t>(from->pickled.size()), items.get());
}

bool add_parcel(PyObject* module, module_state& state) {
  state.home = std::make_shared<buffer_home>();
  state.parcel_type = reinterpret_cast<PyTypeObject*>(PyType_FromModuleAndSpec(module, &parcel_spec, nullptr));
  state.borrowed_type = reinterpret_cast<PyTypeObject*>(PyType_FromModuleAndSpec(module, &borrowed_spec, nullptr));
  return state.parcel_type != nullptr && state.borrowed_type != nullptr &&
         PyModule_AddType(module, state.parcel_type) == 0 && PyModule_AddFunctions(module, functions) == 0;
}

}  // namespace martlet::python
