#include "channel.hpp"

#include "arguments.hpp"
#include "operation.hpp"
#include "parcel.hpp"
#include "python_tasklet.hpp"

namespace martlet::python {
namespace {

channel_object* as_channel(PyObject* self) noexcept { return reinterpret_cast<channel_object*>(self); }

// A value that cannot be sent, because the channel is closed.
PyObject* raise_closed(module_state& state, const char* text) {
  PyErr_SetString(state.channel_closed, text);
  return nullptr;
}

constexpr const char* closed_for_sending = "the channel is closed: nothing can be sent any more";
constexpr const char* closed_and_empty = "the channel is closed, and everything in it has been received";

}  // namespace

bool load(const channel_object* to, PyObject* value, cargo& made) {
  if (!to->is_isolated) [[likely]] {
    made = cargo(object::share(value));
    return true;
  }
  std::unique_ptr<parcel> packed = pack(*to->state, value);
  if (packed == nullptr) {
    return false;
  }
  made = cargo(std::move(packed));
  return true;
}

namespace {

// The reverse of `load`; null with an exception set when the value cannot be made here.
PyObject* unload(const channel_object* from, cargo value) {
  return value.is_parcel() ? unpack(*from->state, value.take_parcel()) : value.take_object().release();
}

// ---- sending

bool read_send(PyObject* const* given, Py_ssize_t count, PyObject* keywords, const char* call, PyObject*& value,
               base::instant& due) {
  if (count == 1 && keywords == nullptr) [[likely]] {
    value = given[0];
    due = base::never;
    return true;
  }
  arguments<2> parsed(call, {"value", "timeout"}, 2, 1);
  if (!parsed.parse(given, count, keywords) || !read_limit(parsed[1], due)) {
    return false;
  }
  value = parsed[0];
  return true;
}

PyObject* send(PyObject* self, PyTypeObject*, PyObject* const* given, Py_ssize_t count, PyObject* keywords) {
  PyObject* value = nullptr;
  base::instant due = 0;
  cargo mine;
  if (!read_send(given, count, keywords, "send", value, due) || !load(as_channel(self), value, mine)) {
    return nullptr;
  }
  send_wait sending(as_channel(self), std::move(mine));
  return block_until(sending, due, "channel.send()", "await channel.asend()");
}

PyObject* asend(PyObject* self, PyTypeObject*, PyObject* const* given, Py_ssize_t count, PyObject* keywords) {
  PyObject* value = nullptr;
  base::instant due = 0;
  cargo mine;
  if (!read_send(given, count, keywords, "asend", value, due) || !load(as_channel(self), value, mine)) {
    return nullptr;
  }
  return make_operation<send_wait>(*as_channel(self)->state, due, "channel.asend()", as_channel(self), std::move(mine));
}

PyObject* try_send(PyObject* self, PyObject* value) {
  if (refuse_beside_simulation(*as_channel(self)->state, "channel.try_send()")) {
    return nullptr;
  }
  cargo mine;
  if (!load(as_channel(self), value, mine)) {
    return nullptr;
  }
  switch (as_channel(self)->values->try_send(mine)) {
    case try_status::done: Py_RETURN_TRUE;
    case try_status::would_wait: Py_RETURN_FALSE;
    case try_status::closed: break;
  }
  return raise_closed(*as_channel(self)->state, closed_for_sending);
}

// ---- receiving

bool read_receive(PyObject* const* given, Py_ssize_t count, PyObject* keywords, const char* call, base::instant& due) {
  if (count == 0 && keywords == nullptr) [[likely]] {
    due = base::never;
    return true;
  }
  arguments<1> parsed(call, {"timeout"}, 1, 0);
  return parsed.parse(given, count, keywords) && read_limit(parsed[0], due);
}

PyObject* receive(PyObject* self, PyTypeObject*, PyObject* const* given, Py_ssize_t count, PyObject* keywords) {
  base::instant due = 0;
  if (!read_receive(given, count, keywords, "receive", due)) {
    return nullptr;
  }
  receive_wait receiving(as_channel(self));
  return block_until(receiving, due, "channel.receive()", "await channel.areceive()");
}

PyObject* areceive(PyObject* self, PyTypeObject*, PyObject* const* given, Py_ssize_t count, PyObject* keywords) {
  base::instant due = 0;
  if (!read_receive(given, count, keywords, "areceive", due)) {
    return nullptr;
  }
  return make_operation<receive_wait>(*as_channel(self)->state, due, "channel.areceive()", as_channel(self));
}

PyObject* try_receive(PyObject* self, PyTypeObject*, PyObject* const* given, Py_ssize_t count, PyObject* keywords) {
  arguments<1> parsed("try_receive", {"default"}, 1, 0);
  if (!parsed.parse(given, count, keywords) ||
      refuse_beside_simulation(*as_channel(self)->state, "channel.try_receive()")) {
    return nullptr;
  }
  cargo value;
  switch (as_channel(self)->values->try_receive(value)) {
    case try_status::done: return unload(as_channel(self), std::move(value));
    case try_status::would_wait: return Py_NewRef(parsed[0] == nullptr ? Py_None : parsed[0]);
    case try_status::closed: break;
  }
  return raise_closed(*as_channel(self)->state, closed_and_empty);
}

class next_wait final : public receive_wait {
 public:
  using receive_wait::receive_wait;

 protected:
  void raise_end() override {}
};

class anext_wait final : public receive_wait {
 public:
  using receive_wait::receive_wait;

 protected:
  void raise_end() override { PyErr_SetNone(PyExc_StopAsyncIteration); }
};

PyObject* next_value(PyObject* self) {
  next_wait receiving(as_channel(self));
  return block(receiving, "'for' over a channel", "async for");
}

PyObject* next_awaitable(PyObject* self) {
  return make_operation<anext_wait>(*as_channel(self)->state, base::never, "'async for' over a channel",
                                    as_channel(self));
}

// ---- the rest

PyObject* close(PyObject* self, PyObject*) {
  if (refuse_beside_simulation(*as_channel(self)->state, "channel.close()")) {
    return nullptr;
  }
  as_channel(self)->values->close();
  Py_RETURN_NONE;
}

PyObject* get_closed(PyObject* self, void*) { return PyBool_FromLong(as_channel(self)->values->is_closed()); }
PyObject* get_balance(PyObject* self, void*) { return PyLong_FromSsize_t(as_channel(self)->values->balance()); }
PyObject* get_capacity(PyObject* self, void*) { return PyLong_FromSize_t(as_channel(self)->values->capacity()); }

PyObject* get_isolated(PyObject* self, void*) { return PyBool_FromLong(as_channel(self)->is_isolated ? 1 : 0); }

PyObject* text_of(PyObject* self) {
  const auto& values = *as_channel(self)->values;
  return PyUnicode_FromFormat("<martlet.channel of capacity %zu, balance %zd%s%s>", values.capacity(), values.balance(),
                              as_channel(self)->is_isolated ? ", isolated" : "", values.is_closed() ? ", closed" : "");
}

object new_channel(PyTypeObject* type, std::shared_ptr<channel<cargo>> values, bool is_isolated) {
  object made = object::take(type->tp_alloc(type, 0));
  if (made) {
    channel_object* self = as_channel(made.get());
    self->state = &state_of(type);
    std::construct_at(&self->values, std::move(values));
    self->is_isolated = is_isolated;
  }
  return made;
}

PyObject* new_from_python(PyTypeObject* type, PyObject* args, PyObject* keywords) {
  static char capacity_name[] = "capacity";
  static char isolated_name[] = "isolated";
  static char* names[] = {capacity_name, isolated_name, nullptr};
  Py_ssize_t capacity = 0;
  int is_isolated = 0;
  if (PyArg_ParseTupleAndKeywords(args, keywords, "|n$p:channel", names, &capacity, &is_isolated) == 0) {
    return nullptr;
  }
  if (capacity < 0) {
    PyErr_Format(PyExc_ValueError, "channel(): a capacity is 0 (sender and receiver meet) or more; found %zd",
                 capacity);
    return nullptr;
  }
  try {
    return new_channel(type, std::make_shared<channel<cargo>>(static_cast<std::size_t>(capacity)), is_isolated != 0)
        .release();
  } catch (...) {
    return PyErr_NoMemory();
  }
}

int traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  int stop = 0;
  const auto& values = as_channel(self)->values;
  if (!as_channel(self)->is_isolated && values != nullptr && values->capacity() != 0) {
    // Whoever moves a value is attached, C++'s tasklets too: no object changes its place while a collector looks.
    values->visit([&](const cargo& value) {
      if (stop == 0 && value.get() != nullptr) {
        stop = visit(value.get(), arg);
      }
    });
  }
  return stop;
}

int clear(PyObject* self) {
  if (const auto& values = as_channel(self)->values; values != nullptr && !as_channel(self)->is_isolated) {
    for (cargo value; values->try_receive(value) == try_status::done;) {
      value = {};  // here, not under the lock
    }
  }
  return 0;
}

void free_channel(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  clear(self);
  std::destroy_at(&as_channel(self)->values);  // nobody waits in it: those who do keep it alive
  type->tp_free(self);
  Py_DECREF(type);
}

PyMethodDef methods[] = {
    {"send", as_method(send), with_keywords,
     "send($self, value, /, timeout=None)\n--\n\n"
     "Sends a value, and waits until there is a receiver or room for it.\n\n"
     "Takes     any object; how many seconds to wait at most.\n"
     "Throws    ChannelClosed, DeadlinePassed, Cancelled; Misuse in a coroutine: write 'await channel.asend(value)'.\n"
     "Suspends  the tasklet, or the thread."},
    {"asend", as_method(asend), with_keywords,
     "asend($self, value, /, timeout=None)\n--\n\nThe awaitable twin of send."},
    {"try_send", try_send, METH_O,
     "try_send($self, value, /)\n--\n\n"
     "Sends a value if that needs no waiting.\n\n"
     "Returns   whether it was sent. Throws ChannelClosed. Suspends never."},
    {"receive", as_method(receive), with_keywords,
     "receive($self, /, timeout=None)\n--\n\n"
     "Receives the next value.\n\n"
     "Takes     how many seconds to wait at most.\n"
     "Throws    ChannelClosed when it is closed and empty, DeadlinePassed, Cancelled; Misuse in a coroutine: write\n"
     "          'await channel.areceive()'.\n"
     "Suspends  the tasklet, or the thread, while there is nothing to receive."},
    {"areceive", as_method(areceive), with_keywords,
     "areceive($self, /, timeout=None)\n--\n\nThe awaitable twin of receive."},
    {"try_receive", as_method(try_receive), with_keywords,
     "try_receive($self, /, default=None)\n--\n\n"
     "Receives a value if that needs no waiting.\n\n"
     "Returns   the value, or default. Throws ChannelClosed when it is closed and empty. Suspends never."},
    {"close", close, METH_NOARGS,
     "close($self, /)\n--\n\n"
     "Ends the sending: waiting senders raise ChannelClosed, receivers get what is left, then the same.\n"
     "Closing twice is allowed. Suspends never."},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, "channel[T] carries values of type T."},
    {nullptr, nullptr, 0, nullptr},
};

PyGetSetDef properties[] = {
    {"closed", get_closed, nullptr, "Whether it has been closed.", nullptr},
    {"balance", get_balance, nullptr,
     "How many senders wait, and values in the buffer; or minus how many receivers wait.", nullptr},
    {"isolated", get_isolated, nullptr, "Whether it may be passed to isolated workers.", nullptr},
    {"capacity", get_capacity, nullptr, "How many values it holds that nobody has received yet.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyType_Slot slots[] = {
    {Py_tp_doc,
     const_cast<char*>(
         "channel(capacity=0, *, isolated=False)\n--\n\n"
         "Carries values from tasklet to tasklet, of both kinds, and from and to threads.\n\n"
         "With capacity 0 a sender and a receiver meet; with more there is room for values that nobody\n"
         "has received yet. Both sides are served in the order in which they came. 'for' and 'async for'\n"
         "receive until the channel is closed and empty.\n\n"
         "An isolated one may be passed to isolated workers. It carries copies, of what pickle can copy, and\n"
         "memoryviews of memory that stays where it is; a send of anything else throws Misuse.")},
    {Py_tp_new, reinterpret_cast<void*>(new_from_python)},
    {Py_tp_dealloc, reinterpret_cast<void*>(free_channel)},
    {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
    {Py_tp_clear, reinterpret_cast<void*>(clear)},
    {Py_tp_repr, reinterpret_cast<void*>(text_of)},
    {Py_tp_iter, reinterpret_cast<void*>(PyObject_SelfIter)},
    {Py_tp_iternext, reinterpret_cast<void*>(next_value)},
    {Py_am_aiter, reinterpret_cast<void*>(PyObject_SelfIter)},
    {Py_am_anext, reinterpret_cast<void*>(next_awaitable)},
    {Py_tp_methods, methods},
    {Py_tp_getset, properties},
    {0, nullptr},
};

PyType_Spec spec = {
    .name = "martlet.channel",
    .basicsize = sizeof(channel_object),
    .itemsize = 0,
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

}  // namespace

PyObject* receive_wait::case_result() {
  std::optional<cargo> value = op_.result();
  if (value) [[likely]] {
    return unload(at(), std::move(*value));
  }
  raise_end();
  return nullptr;
}

void receive_wait::raise_end() { raise_closed(state(), closed_and_empty); }

// It goes to the end of the queue. Where there is no room, a tasklet waits for some.
void receive_wait::undo(PyObject* result) {
  cargo value;
  if (load(at(), result, value) && at()->values->try_send(value) == try_status::would_wait) {
    const object both = object::take(PyTuple_Pack(2, at(), result));
    const object sender = object::take(both ? call_bridge("send_later", both.get()) : nullptr);
  }
  PyErr_Clear();
}

PyObject* send_wait::case_result() {
  if (op_.channel == nullptr) {
    return raise_closed(state(), closed_for_sending);
  }
  Py_RETURN_NONE;
}

PyObject* make_channel(module_state& state, std::size_t capacity) {
  return new_channel(state.channel_type, std::make_shared<channel<cargo>>(capacity), false).release();
}

PyObject* make_isolated_channel(module_state& state, std::shared_ptr<channel<cargo>> values) {
  return new_channel(state.channel_type, std::move(values), true).release();
}

bool make_channel_type(PyObject* module, module_state& state) {
  state.channel_type = reinterpret_cast<PyTypeObject*>(PyType_FromModuleAndSpec(module, &spec, nullptr));
  return state.channel_type != nullptr && PyModule_AddType(module, state.channel_type) == 0;
}

}  // namespace martlet::python
