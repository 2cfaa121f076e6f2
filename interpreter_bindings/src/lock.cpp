#include "arguments.hpp"
#include "operation.hpp"
#include "units.hpp"

/// `Lock` and `RLock`.
namespace martlet::python {
namespace {

units_object* as_units(PyObject* self) noexcept { return reinterpret_cast<units_object*>(self); }

// An owner is nobody else's business: whoever finds itself there has written that, nobody else does.
bool is_mine(const units_object* self) noexcept { return self->owner.load(base::relaxed) == detail::current_owner(); }

void become_owner(units_object* self, std::size_t depth) noexcept {
  self->owner.store(detail::current_owner(), base::relaxed);
  self->depth = depth;
}

// What an RLock gives: its owner has it once more at once.
class reentrant_acquire_wait final : public acquire_wait {
 public:
  explicit reentrant_acquire_wait(units_object* from, std::size_t depth = 1) : acquire_wait(from), depth_(depth) {}

  bool try_at_once(detail::tasklet* who) override {
    is_again_ = is_mine(at());
    return is_again_ || acquire_wait::try_at_once(who);
  }
  PyObject* finish() override {
    if (!is_again_) {
      return acquire_wait::finish();
    }
    ++at()->depth;
    Py_RETURN_TRUE;
  }
  PyObject* case_result() override {
    PyObject* result = acquire_wait::case_result();
    become_owner(at(), depth_);
    return result;
  }
  bool belongs_to_tasklet() const noexcept override { return true; }
  void undo(PyObject* result) override {
    if (result == Py_True && (at()->depth -= is_again_ ? 1 : depth_) == 0) {
      at()->owner.store(nullptr, base::relaxed);
      at()->units->release();
    }
  }

 private:
  const std::size_t depth_;
  bool is_again_ = false;
};

struct plain {
  using wait = acquire_wait;
  static constexpr const char* name = "Lock";
  static constexpr const char* acquire = "Lock.acquire()";
  static constexpr const char* aacquire = "Lock.aacquire()";
  static constexpr const char* instead = "await lock.aacquire()";
  static constexpr const char* entering = "'with' on a Lock";
  static constexpr const char* entering_async = "'async with' on a Lock";
};

struct reentrant {
  using wait = reentrant_acquire_wait;
  static constexpr const char* name = "RLock";
  static constexpr const char* acquire = "RLock.acquire()";
  static constexpr const char* aacquire = "RLock.aacquire()";
  static constexpr const char* instead = "await lock.aacquire()";
  static constexpr const char* entering = "'with' on an RLock";
  static constexpr const char* entering_async = "'async with' on an RLock";
};

// ---- taking it

template <class Kind>
PyObject* take_or_give_up(units_object* self) {
  if (refuse_beside_simulation(*self->state, Kind::acquire)) {
    return nullptr;
  }
  detail::thread_waiter nobody;  // nobody waits with it
  typename Kind::wait taking(self);
  return taking.try_at_once(&nobody.record_) ? taking.finish() : Py_NewRef(Py_False);
}

template <class Kind>
PyObject* acquire(PyObject* object, PyTypeObject*, PyObject* const* given, Py_ssize_t count, PyObject* keywords) {
  acquire_request what;
  if (!read_acquire(given, count, keywords, "acquire", true, what)) {
    return nullptr;
  }
  if (!what.may_wait) {
    return take_or_give_up<Kind>(as_units(object));
  }
  typename Kind::wait taking(as_units(object));
  return take_or_block(taking, what.due, Kind::acquire, Kind::instead);
}

template <class Kind>
PyObject* aacquire(PyObject* object, PyTypeObject*, PyObject* const* given, Py_ssize_t count, PyObject* keywords) {
  acquire_request what;
  if (!read_acquire(given, count, keywords, "aacquire", true, what)) {
    return nullptr;
  }
  const base::instant due = what.may_wait ? what.due : 0;
  return make_operation<typename Kind::wait>(*as_units(object)->state, due, Kind::aacquire, as_units(object));
}

template <class Kind>
PyObject* enter(PyObject* object, PyObject*) {
  typename Kind::wait taking(as_units(object));
  return take_or_block(taking, base::never, Kind::entering, Kind::entering_async);
}

template <class Kind>
PyObject* aenter(PyObject* object, PyObject*) {
  return make_operation<typename Kind::wait>(*as_units(object)->state, base::never, Kind::entering_async,
                                             as_units(object));
}

// ---- giving it back

// Returns   false with an exception set.
bool give_back(units_object* self) {
  try {
    self->units->release();
    return true;
  } catch (const misuse&) {
    PyErr_SetString(self->state->misuse,
                    "Lock.release(): nobody has the lock: it was released already, or never acquired");
    return false;
  }
}

bool give_back_once(units_object* self) {
  if (!is_mine(self)) {
    PyErr_SetString(self->state->misuse,
                    "RLock.release(): the caller does not have the lock: only the tasklet or thread that acquired it "
                    "releases it, as often as it did");
    return false;
  }
  if (--self->depth == 0) {
    self->owner.store(nullptr, base::relaxed);
    self->units->release();
  }
  return true;
}

template <class Kind>
bool release(PyObject* object) {
  units_object* self = as_units(object);
  if (refuse_beside_simulation(*self->state, Kind::name)) {
    return false;
  }
  if constexpr (std::is_same_v<Kind, plain>) {
    return give_back(self);
  } else {
    return give_back_once(self);
  }
}

template <class Kind>
PyObject* release_method(PyObject* object, PyObject*) {
  return release<Kind>(object) ? Py_NewRef(Py_None) : nullptr;
}

template <class Kind>
PyObject* exit(PyObject* object, PyObject* const*, Py_ssize_t) {
  return release<Kind>(object) ? Py_NewRef(Py_False) : nullptr;
}

template <class Kind>
PyObject* aexit(PyObject* object, PyObject* const*, Py_ssize_t) {
  module_state& state = *as_units(object)->state;
  return release<Kind>(object) ? make_operation<done_wait>(state, base::never, Kind::entering_async, state, Py_False)
                               : nullptr;
}

// ---- what a Condition needs of an RLock

PyObject* is_owned(PyObject* object, PyObject*) { return PyBool_FromLong(is_mine(as_units(object))); }

PyObject* recursion_count(PyObject* object, PyObject*) {
  return PyLong_FromSize_t(is_mine(as_units(object)) ? as_units(object)->depth : 0);
}

PyObject* release_all(PyObject* object, PyObject*) {
  units_object* self = as_units(object);
  if (!is_mine(self)) {
    give_back_once(self);  // which says why not
    return nullptr;
  }
  const std::size_t depth = std::exchange(self->depth, 1);
  give_back_once(self);
  return PyLong_FromSize_t(depth);
}

PyObject* acquire_again(PyObject* object, PyObject* depth) {
  const std::size_t count = PyLong_AsSize_t(depth);
  if (PyErr_Occurred() != nullptr) {
    return nullptr;
  }
  reentrant_acquire_wait taking(as_units(object), count);
  return block(taking, reentrant::acquire, reentrant::instead);
}

PyObject* aacquire_again(PyObject* object, PyObject* depth) {
  const std::size_t count = PyLong_AsSize_t(depth);
  if (PyErr_Occurred() != nullptr) {
    return nullptr;
  }
  return make_operation<reentrant_acquire_wait>(*as_units(object)->state, base::never, reentrant::aacquire,
                                                as_units(object), count);
}

// ---- the rest

template <class Kind>
PyObject* make(PyTypeObject* type, PyObject* args, PyObject* keywords) {
  if (PyTuple_GET_SIZE(args) != 0 || (keywords != nullptr && PyDict_GET_SIZE(keywords) != 0)) {
    PyErr_Format(PyExc_TypeError, "%s() takes no arguments", Kind::name);
    return nullptr;
  }
  return reinterpret_cast<PyObject*>(make_units(type, 1, 1));
}

PyObject* locked(PyObject* object, PyObject*) { return PyBool_FromLong(as_units(object)->units->available() == 0); }

PyObject* text_of(PyObject* object) {
  return PyUnicode_FromFormat("<%s %s object at %p>", as_units(object)->units->available() == 0 ? "locked" : "unlocked",
                              Py_TYPE(object)->tp_name, object);
}

// In the child of a fork, where whoever had it is gone.
PyObject* start_anew(PyObject* object, PyObject*) {
  units_object* self = as_units(object);
  try {
    self->units =
        new martlet::semaphore(1, 1);  // the former are not destroyed: who waits for them is gone, and stands there
  } catch (...) {
    return raise_what_was_caught(*self->state);
  }
  self->owner.store(nullptr, base::relaxed);
  self->depth = 0;
  Py_RETURN_NONE;
}

constexpr const char* acquire_text =
    "acquire($self, /, blocking=True, timeout=-1)\n--\n\n"
    "Waits until the lock is the caller's.\n\n"
    "Takes     whether to wait at all; how many seconds at most, -1 for no limit.\n"
    "Returns   True; False when it may not wait (any longer).\n"
    "Throws    Cancelled; Misuse in a coroutine that would have to wait: write 'await lock.aacquire()'.\n"
    "Suspends  the tasklet, or the thread. Those who wait get it in the order in which they came.";
constexpr const char* aacquire_text =
    "aacquire($self, /, blocking=True, timeout=-1)\n--\n\nThe awaitable twin of acquire; also a case for select.";
constexpr const char* locked_text = "locked($self, /)\n--\n\nTells whether anybody has it. Suspends never.";

PyMethodDef lock_methods[] = {
    {"acquire", as_method(acquire<plain>), with_keywords, acquire_text},
    {"aacquire", as_method(aacquire<plain>), with_keywords, aacquire_text},
    {"release", release_method<plain>, METH_NOARGS,
     "release($self, /)\n--\n\n"
     "Lets go of it. Anybody may, not only who acquired it. Suspends never.\n\n"
     "Throws    Misuse (a RuntimeError) when nobody has it."},
    {"locked", locked, METH_NOARGS, locked_text},
    {"__enter__", enter<plain>, METH_NOARGS, nullptr},
    {"__exit__", as_method(exit<plain>), METH_FASTCALL, nullptr},
    {"__aenter__", aenter<plain>, METH_NOARGS, nullptr},
    {"__aexit__", as_method(aexit<plain>), METH_FASTCALL, nullptr},
    {"_at_fork_reinit", start_anew, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyMethodDef rlock_methods[] = {
    {"acquire", as_method(acquire<reentrant>), with_keywords, acquire_text},
    {"aacquire", as_method(aacquire<reentrant>), with_keywords, aacquire_text},
    {"release", release_method<reentrant>, METH_NOARGS,
     "release($self, /)\n--\n\n"
     "Lets go of it once; it is free when its owner has released it as often as acquired. Suspends never.\n\n"
     "Throws    Misuse (a RuntimeError) when the caller does not have it."},
    {"locked", locked, METH_NOARGS, locked_text},
    {"__enter__", enter<reentrant>, METH_NOARGS, nullptr},
    {"__exit__", as_method(exit<reentrant>), METH_FASTCALL, nullptr},
    {"__aenter__", aenter<reentrant>, METH_NOARGS, nullptr},
    {"__aexit__", as_method(aexit<reentrant>), METH_FASTCALL, nullptr},
    {"_is_owned", is_owned, METH_NOARGS, nullptr},
    {"_recursion_count", recursion_count, METH_NOARGS, nullptr},
    {"_release_save", release_all, METH_NOARGS, nullptr},
    {"_acquire_restore", acquire_again, METH_O, nullptr},
    {"_aacquire_restore", aacquire_again, METH_O, nullptr},
    {"_at_fork_reinit", start_anew, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyType_Slot lock_slots[] = {
    {Py_tp_doc,
     const_cast<char*>(
         "Lock()\n--\n\n"
         "threading.Lock for tasklets of both kinds and threads: who waits for it blocks the tasklet only.\n\n"
         "Use 'with' in a function, 'async with' in a coroutine.")},
    {Py_tp_new, reinterpret_cast<void*>(make<plain>)},
    {Py_tp_dealloc, reinterpret_cast<void*>(free_units)},
    {Py_tp_repr, reinterpret_cast<void*>(text_of)},
    {Py_tp_methods, lock_methods},
    {Py_tp_members, units_members},
    {0, nullptr},
};

PyType_Slot rlock_slots[] = {
    {Py_tp_doc,
     const_cast<char*>("RLock()\n--\n\n"
                       "threading.RLock for tasklets of both kinds and threads: its owner may acquire it again.\n\n"
                       "The owner is the tasklet, on whatever thread it runs by then; on a plain thread, the thread.")},
    {Py_tp_new, reinterpret_cast<void*>(make<reentrant>)},
    {Py_tp_dealloc, reinterpret_cast<void*>(free_units)},
    {Py_tp_repr, reinterpret_cast<void*>(text_of)},
    {Py_tp_methods, rlock_methods},
    {Py_tp_members, units_members},
    {0, nullptr},
};

PyType_Spec lock_spec = {
    .name = "martlet.Lock",
    .basicsize = sizeof(units_object),
    .itemsize = 0,
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = lock_slots,
};

PyType_Spec rlock_spec = {
    .name = "martlet.RLock",
    .basicsize = sizeof(units_object),
    .itemsize = 0,
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = rlock_slots,
};

}  // namespace

bool add_locks(PyObject* module) { return add_type(module, lock_spec) && add_type(module, rlock_spec); }

}  // namespace martlet::python
