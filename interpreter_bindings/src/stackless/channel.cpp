#include "channel.hpp"

#include "../arguments.hpp"
#include "bomb.hpp"
#include "schedule.hpp"

#include <algorithm>
#include <memory>
#include <new>

#include <structmember.h>

namespace martlet::python::stackless {

extern PyGetSetDef channel_attributes[];

namespace {

// Which way a value goes, seen from who calls.
constexpr int sending = 1;
constexpr int receiving = -1;

// Whether somebody waits for the other half. Under the lock.
bool can_go_on(const channel& on, int direction) noexcept { return on.balance * direction < 0; }

// Keeps a value for whoever receives next. Under the lock.
void keep(channel& in, kept_value* one) noexcept {
  (in.last_kept != nullptr ? in.last_kept->next : in.first_kept) = one;
  in.last_kept = one;
  ++in.balance;
}

// Takes the oldest of the kept values, null when there is none. Under the lock.
kept_value* take_kept(channel& from) noexcept {
  kept_value* one = from.first_kept;
  if (one != nullptr) {
    from.first_kept = one->next;
    from.last_kept = from.first_kept != nullptr ? from.last_kept : nullptr;
    --from.balance;
  }
  return one;
}

// Somebody waits for the other half: exchanges the values, and goes on with whom the channel prefers.
//
// Returns false, and has done nothing, when nobody does by now.
bool exchange(thread& here, channel& on, tasklet& from, int direction, object& result, outcome& how) {
  tasklet* target = nullptr;
  object kept_target;
  object kept_next;
  tasklet* next = nullptr;
  bool is_elsewhere = false;
  {
    const guard held(chains);
    if (!can_go_on(on, direction) || on.head == nullptr) {
      return false;
    }
    target = on.head;
    kept_target = hold(target);
    on.remove(*target);
    std::swap(from.value, target->value);
    is_elsewhere = target->home != &here;
    if (is_elsewhere) {
      next = target;
    } else if (on.schedules_all) {
      here.insert(*target);
      next = from.next;
      kept_next = hold(next);
    } else if (on.preference == -direction) {
      here.insert_second(*target);
      next = target;
      here.keeps_order = true;
    } else {
      here.insert(*target);
      next = &from;
      here.keeps_order = true;
    }
  }
  const object self = object::share(on.self());
  how = schedule(here, from, next, result);
  if (how == outcome::failed) {
    here.keeps_order = false;
    const guard held(chains);
    if (target->where == place::chain && target->home == &here) {
      here.remove(*target);
    }
    if (target->where == place::nowhere) {
      on.insert(*target, -direction, on.head);
      std::swap(from.value, target->value);
    }
  } else if (is_elsewhere) {
    Py_DECREF(target->self());  // the queue's reference
  }
  return true;
}

// Nobody waits for the other half.
//
// Returns false, and has done nothing, when somebody does by now.
bool block(thread& here, channel& on, tasklet& from, int direction, object& result, outcome& how) {
  how = outcome::failed;
  PyObject* refusal = nullptr;
  tasklet* next = nullptr;
  {
    const guard held(chains);
    if (can_go_on(on, direction)) {
      return false;
    }
    refusal = from.block_trap ? PyExc_RuntimeError : on.is_closing ? PyExc_ValueError : nullptr;
    if (refusal == nullptr) {
      here.remove(from);  // the chain's reference is the queue's now
      on.insert(from, direction, nullptr);
      next = here.current;
      from.waits_for = as_channel(Py_NewRef(on.self()));
    }
  }
  if (refusal != nullptr) {
    PyErr_SetString(refusal, refusal == PyExc_RuntimeError ? "this tasklet does not like to be blocked."
                                                           : "Send/receive operation on a closed channel");
    return true;
  }
  how = schedule(here, from, next, result);
  const object kept = object::take(std::exchange(from.waits_for, nullptr)->self());
  if (how == outcome::failed) {
    const guard held(chains);
    if (from.where == place::channel) {
      on.remove(from);
      here.insert(from);
      here.current = &from;
    }
  }
  return true;
}

// A QueueChannel keeps what would have to wait.
//
// Returns false when it does not.
bool keep_value(channel& on, tasklet& from, object& result, outcome& how) {
  if (!on.keeps) {
    return false;
  }
  std::unique_ptr<kept_value> one(new (std::nothrow) kept_value);
  if (one == nullptr) {
    PyErr_NoMemory();
    how = outcome::failed;
    return true;
  }
  const guard held(chains);
  if (on.is_closing || can_go_on(on, sending)) {
    return false;
  }
  one->value = claim_value(from);
  keep(on, one.release());
  result = object::share(Py_None);
  how = outcome::stayed;
  return true;
}

// Returns false when it has kept nothing.
bool receive_kept(thread& here, channel& on, tasklet& from, object& result, outcome& how) {
  std::unique_ptr<kept_value> one;
  {
    const guard held(chains);
    one.reset(take_kept(on));
    if (one == nullptr) {
      return false;
    }
    one->value = object::take(std::exchange(from.value, one->value.release()));
  }
  how = schedule(here, from, &from, result);
  return true;
}

// Does what could be done a moment ago, or the other thing if that has changed: each of them looks again under the lock.
outcome exchange_or_block(thread& here, channel& on, tasklet& from, int direction, bool can, object& result) {
  outcome how = outcome::failed;
  for (;; can = !can) {
    const bool is_done = can ? (direction == receiving && receive_kept(here, on, from, result, how)) ||
                                   exchange(here, on, from, direction, result, how)
                             : (direction == sending && keep_value(on, from, result, how)) ||
                                   block(here, on, from, direction, result, how);
    if (is_done) {
      return how;
    }
  }
}

PyObject* act(channel& on, PyObject* value, int direction, PyObject* const* arguments) {
  thread* here = thread::here(*on.home);
  if (here == nullptr) {
    return nullptr;
  }
  if (here->waiting != nullptr && here->waiting->where != place::chain && refuse_while_waiting(*here)) [[unlikely]] {
    return nullptr;
  }
  tasklet& from = here->running();
  from.arguments = arguments;
  object before;
  bool can = false;
  bool will_block = false;
  bool is_elsewhere = false;
  bool is_watched = false;
  {
    const guard held(chains);
    before = object::take(std::exchange(from.value, Py_NewRef(value)));
    can = can_go_on(on, direction);
    will_block = !can && !(on.keeps && direction == sending);
    is_elsewhere = can && on.head != nullptr && on.head->home != here;
    is_watched = here->home.channel_hook != nullptr;
  }
  object result;
  outcome how = outcome::failed;
  if (!is_watched || is_elsewhere || notify_channel(*here, on, from, direction == sending, will_block)) {
    how = exchange_or_block(*here, on, from, direction, can, result);
  }
  if (is_watched && is_elsewhere && how != outcome::failed &&
      !notify_channel(*here, on, from, direction == sending, will_block)) {
    return nullptr;
  }
  if (how == outcome::failed) {
    const guard held(chains);
    before = object::take(std::exchange(from.value, before.release()));
    return nullptr;
  }
  return result.release();
}

PyObject* create(PyTypeObject* type, PyObject*, PyObject*) {
  channel* made = new_channel(type);
  return made != nullptr ? made->self() : nullptr;
}

int traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  for (tasklet* one = as_channel(self)->head; one != nullptr; one = one->next) {
    Py_VISIT(one->self());
  }
  for (const kept_value* one = as_channel(self)->first_kept; one != nullptr; one = one->next) {
    Py_VISIT(one->value.get());
  }
  return 0;
}

// Those that wait are let go, and end unless somebody else has them. What is kept is dropped.
void remove_all(channel& of) {
  for (;;) {
    object dropped;
    std::unique_ptr<kept_value> value;
    const guard held(chains);
    value.reset(take_kept(of));
    if (value != nullptr) {
      continue;
    }
    if (of.head == nullptr) {
      return;
    }
    tasklet& one = *of.head;
    of.remove(one);
    dropped = object::take(one.self());
  }
}

void set_closing(PyObject* self, bool flag) noexcept {
  const guard held(chains);
  as_channel(self)->is_closing = flag;
}

int clear(PyObject* self) {
  set_closing(self, true);
  remove_all(*as_channel(self));
  return 0;
}

void dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  if (as_channel(self)->weak_references != nullptr) {
    PyObject_ClearWeakRefs(self);
  }
  clear(self);
  type->tp_free(self);
  Py_DECREF(type);
}

PyObject* send_call(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  if (count != 1) {
    PyErr_Format(PyExc_TypeError, "send() takes exactly one argument (%zd given)", count);
    return nullptr;
  }
  return send(*as_channel(self), args[0], args + count);
}

PyObject* receive_call(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  if (count != 0) {
    PyErr_Format(PyExc_TypeError, "receive() takes no arguments (%zd given)", count);
    return nullptr;
  }
  return receive(*as_channel(self), args);
}

PyObject* send_exception(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  if (count == 0) {
    PyErr_SetString(PyExc_TypeError, "send_exception() takes at least 1 argument");
    return nullptr;
  }
  const object values = object::take(PyTuple_New(count - 1));
  for (Py_ssize_t i = 1; values && i < count; ++i) {
    PyTuple_SET_ITEM(values.get(), i - 1, Py_NewRef(args[i]));
  }
  object made = values ? make_bomb(*as_channel(self)->home, args[0], values.get(), "channel.send_exception") : object();
  return made && send_bomb(*as_channel(self), std::move(made), args + count) ? Py_NewRef(Py_None) : nullptr;
}

PyObject* send_throw(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* keywords) {
  arguments<3> parsed("send_throw", {"exc", "val", "tb"}, 3, 1);
  if (!parsed.parse(args, count, keywords)) {
    return nullptr;
  }
  object made = make_bomb(*as_channel(self)->home, parsed[0], parsed[1], parsed[2]);
  return made && send_bomb(*as_channel(self), std::move(made), args + count) ? Py_NewRef(Py_None) : nullptr;
}

PyObject* send_sequence(PyObject* self, PyObject* sequence) {
  const object iterator = object::take(PyObject_GetIter(sequence));
  if (!iterator) {
    return nullptr;
  }
  for (long count = 0;; ++count) {
    const object item = object::take(PyIter_Next(iterator.get()));
    if (!item) {
      return PyErr_Occurred() == nullptr ? PyLong_FromLong(count) : nullptr;
    }
    if (const object sent = object::take(send(*as_channel(self), item.get())); !sent) {
      return nullptr;
    }
  }
}

PyObject* next_value(PyObject* self) {
  channel& from = *as_channel(self);
  bool is_at_end = false;
  {
    const guard held(chains);
    is_at_end = from.is_closing && from.balance <= 0;
  }
  return is_at_end ? nullptr : receive(from);
}

PyObject* close(PyObject* self, PyObject*) {
  set_closing(self, true);
  Py_RETURN_NONE;
}

PyObject* open(PyObject* self, PyObject*) {
  set_closing(self, false);
  Py_RETURN_NONE;
}

// The bits of Stackless's flags: closing, two of the preference, schedule_all. Under the lock.
int flags_of(const channel& one) noexcept {
  return (one.is_closing ? 1 : 0) | (one.preference & 3) << 1 | (one.schedules_all ? 8 : 0);
}

PyObject* reduce(PyObject* self, PyObject*) {
  channel& one = *as_channel(self);
  std::vector<object> waiting;
  int balance = 0;
  int flags = 0;
  {
    const guard held(chains);
    balance = one.balance;
    flags = flags_of(one);
    for (tasklet* each = one.head; each != nullptr; each = each->next) {
      waiting.push_back(object::share(each->self()));
    }
    for (const kept_value* each = one.first_kept; each != nullptr; each = each->next) {
      waiting.push_back(object::share(each->value.get()));
    }
  }
  const object list = object::take(list_of(std::move(waiting)));
  return list ? Py_BuildValue("(O()(iiO))", Py_TYPE(self), balance, flags, list.get()) : nullptr;
}

PyObject* set_state(PyObject* self, PyObject* state) {
  channel& one = *as_channel(self);
  layer& home = *one.home;
  int balance = 0;
  int flags = 0;
  PyObject* list = nullptr;
  if (!PyArg_ParseTuple(state, "iiO!:channel", &balance, &flags, &PyList_Type, &list)) {
    return nullptr;
  }
  remove_all(one);
  {
    const guard held(chains);
    one.is_closing = (flags & 1) != 0;
    one.preference = static_cast<std::int8_t>((flags >> 1 & 3) == 3 ? -1 : flags >> 1 & 3);
    one.schedules_all = (flags & 8) != 0;
  }
  if (one.keeps && balance > 0) {
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); ++i) {
      if (const object sent = object::take(send(one, PyList_GET_ITEM(list, i))); !sent) {
        return nullptr;
      }
    }
    return Py_NewRef(self);
  }
  const guard held(chains);
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); ++i) {
    PyObject* each = PyList_GET_ITEM(list, i);
    if (is_tasklet(home, each) && as_tasklet(each)->where == place::nowhere) {
      Py_INCREF(each);
      one.insert(*as_tasklet(each), balance > 0 ? sending : receiving, nullptr);
    }
  }
  return Py_NewRef(self);
}

PyMethodDef methods[] = {
    {"send", as_method(send_call), METH_FASTCALL,
     "send(value, /)\n--\n\nGives a value to the tasklet that has been waiting for longest; waits for one if there is none."},
    {"receive", as_method(receive_call), METH_FASTCALL,
     "receive()\n--\n\nTakes the value of the tasklet that has been waiting for longest; waits for one if there is none."},
    {"send_exception", as_method(send_exception), METH_FASTCALL,
     "send_exception(exc, /, *args)\n--\n\nSends exc(*args), which is raised where it is received."},
    {"send_throw", as_method(send_throw), METH_FASTCALL | METH_KEYWORDS,
     "send_throw(exc, val=None, tb=None)\n--\n\nSends an exception, which is raised where it is received."},
    {"send_sequence", send_sequence, METH_O,
     "send_sequence(seq, /)\n--\n\nSends all that an iterable gives, and returns how many."},
    {"close", close, METH_NOARGS,
     "close()\n--\n\nLets nobody wait any more: whoever would, gets a ValueError. Those that wait already go on doing so."},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, "channel[T] passes values of type T."},
    {"open", open, METH_NOARGS, "open()\n--\n\nTakes close() back."},
    {"__reduce__", reduce, METH_NOARGS, nullptr},
    {"__reduce_ex__", reduce, METH_O, nullptr},
    {"__setstate__", set_state, METH_O, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyMemberDef members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(channel, weak_references), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr},
};

PyType_Slot slots[] = {
    {Py_tp_doc,
     const_cast<char*>(
         "channel()\n--\n\nPasses values from tasklet to tasklet: whoever comes first waits for the other.")},
    {Py_tp_new, reinterpret_cast<void*>(create)},
    {Py_tp_dealloc, reinterpret_cast<void*>(dealloc)},
    {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
    {Py_tp_clear, reinterpret_cast<void*>(clear)},
    {Py_tp_iter, reinterpret_cast<void*>(PyObject_SelfIter)},
    {Py_tp_iternext, reinterpret_cast<void*>(next_value)},
    {Py_tp_methods, methods},
    {Py_tp_getset, channel_attributes},
    {Py_tp_members, members},
    {0, nullptr},
};

PyObject* create_queue(PyTypeObject* type, PyObject*, PyObject*) {
  channel* made = new_channel(type);
  if (made == nullptr) {
    return nullptr;
  }
  made->keeps = true;
  made->preference = 1;
  return made->self();
}

Py_ssize_t count_kept(PyObject* self) {
  const guard held(chains);
  return std::max(as_channel(self)->balance, 0);
}

int is_true(PyObject*) { return 1; }  // an empty one too

PyType_Slot queue_slots[] = {
    {Py_tp_doc, const_cast<char*>(
                    "QueueChannel()\n--\n\nA channel that keeps what nobody waits for, so that a sender never waits.")},
    {Py_tp_new, reinterpret_cast<void*>(create_queue)},
    {Py_tp_dealloc, reinterpret_cast<void*>(dealloc)},
    {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
    {Py_tp_clear, reinterpret_cast<void*>(clear)},
    {Py_sq_length, reinterpret_cast<void*>(count_kept)},
    {Py_nb_bool, reinterpret_cast<void*>(is_true)},
    {0, nullptr},
};

PyType_Spec queue_spec = {"martlet.stackless.QueueChannel", static_cast<int>(sizeof(channel)), 0,
                          Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE, queue_slots};

PyType_Spec spec = {"martlet.stackless.channel", static_cast<int>(sizeof(channel)), 0,
                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE, slots};

}  // namespace

void channel::insert(tasklet& one, int direction, tasklet* before) noexcept {
  one.next = before;
  one.prev = before != nullptr ? before->prev : tail;
  (one.prev != nullptr ? one.prev->next : head) = &one;
  (before != nullptr ? before->prev : tail) = &one;
  one.where = place::channel;
  one.queue = this;
  one.blocked = static_cast<std::int8_t>(direction);
  balance += direction;
}

void channel::remove(tasklet& one) noexcept {
  (one.prev != nullptr ? one.prev->next : head) = one.next;
  (one.next != nullptr ? one.next->prev : tail) = one.prev;
  one.next = one.prev = nullptr;
  one.where = place::nowhere;
  one.queue = nullptr;
  balance -= one.blocked;
  one.blocked = 0;
}

channel* new_channel(PyTypeObject* type) {
  auto* made = as_channel(type->tp_alloc(type, 0));
  if (made != nullptr) {
    made->home = &layer_of(type);
    made->preference = -1;
  }
  return made;
}

PyObject* send(channel& to, PyObject* value, PyObject* const* arguments) { return act(to, value, sending, arguments); }

PyObject* receive(channel& from, PyObject* const* arguments) { return act(from, Py_None, receiving, arguments); }

bool send_bomb(channel& to, object bomb, PyObject* const* arguments) {
  const object result = object::take(send(to, bomb.get(), arguments));
  return static_cast<bool>(result);
}

bool make_channel_type(PyObject* module, layer& home) {
  home.channel_type = reinterpret_cast<PyTypeObject*>(PyType_FromModuleAndSpec(module, &spec, nullptr));
  if (home.channel_type == nullptr || PyModule_AddType(module, home.channel_type) < 0) {
    return false;
  }
  const object queue =
      object::take(PyType_FromModuleAndSpec(module, &queue_spec, reinterpret_cast<PyObject*>(home.channel_type)));
  return queue && PyModule_AddType(module, reinterpret_cast<PyTypeObject*>(queue.get())) == 0;
}

}  // namespace martlet::python::stackless
