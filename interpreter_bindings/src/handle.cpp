#include "handle.hpp"

#include <structmember.h>

#include "arguments.hpp"
#include "coroutine_tasklet.hpp"
#include "function_tasklet.hpp"
#include "operation.hpp"
#include "run.hpp"
#include "scope.hpp"

namespace martlet::python {
namespace {

handle_object* as_handle(PyObject* self) noexcept { return reinterpret_cast<handle_object*>(self); }

const char* name_of_status(status now) noexcept {
  switch (now) {
    case status::queued: return "queued";
    case status::running: return "running";
    case status::blocked: return "blocked";
    case status::done: return "done";
    case status::failed: return "failed";
  }
  return "";
}

bool refuse_own_join(handle_object* self) {
  if (current_tasklet() == self->frame) {
    PyErr_SetString(self->state().misuse, "join(): a tasklet cannot wait for its own end");
    return true;
  }
  return false;
}

bool read_join(PyObject* const* given, Py_ssize_t count, PyObject* keywords, const char* call, base::instant& due) {
  arguments<1> parsed(call, {"timeout"}, 1, 0);
  return parsed.parse(given, count, keywords) && read_limit(parsed[0], due);
}

PyObject* join(PyObject* object, PyTypeObject*, PyObject* const* given, Py_ssize_t count, PyObject* keywords) {
  handle_object* self = as_handle(object);
  base::instant due = 0;
  if (!read_join(given, count, keywords, "join", due) || refuse_own_join(self)) {
    return nullptr;
  }
  join_wait end(self);
  return block_until(end, due, "handle.join()", "await handle.ajoin()");
}

PyObject* ajoin(PyObject* object, PyTypeObject*, PyObject* const* given, Py_ssize_t count, PyObject* keywords) {
  handle_object* self = as_handle(object);
  base::instant due = 0;
  if (!read_join(given, count, keywords, "ajoin", due) || refuse_own_join(self)) {
    return nullptr;
  }
  return make_operation<join_wait>(self->state(), due, "handle.ajoin()", self);
}

PyObject* await_handle(PyObject* object) {
  handle_object* self = as_handle(object);
  if (current_tasklet() == nullptr) {
    switch (has_running_loop()) {
      case -1: return nullptr;
      case 1: return call_bridge("wait_in_loop", object);
      default: break;
    }
  }
  return refuse_own_join(self) ? nullptr : make_operation<join_wait>(self->state(), base::never, "await handle", self);
}

bool has_ended(handle_object* self) noexcept {
  const status now = detail::status_of(self->frame->record_);
  return now == status::done || now == status::failed;
}

PyObject* is_done(PyObject* object, PyObject*) { return PyBool_FromLong(has_ended(as_handle(object))); }

PyObject* result(PyObject* object, PyObject*) {
  handle_object* self = as_handle(object);
  if (!has_ended(self)) {
    PyErr_SetString(self->state().misuse, "result(): the tasklet has not ended; join it to wait for its end");
    return nullptr;
  }
  return outcome_of(self);
}

void tell_end(PyObject* function, PyObject* handle) {
  const python::object answer = python::object::take(PyObject_CallOneArg(function, handle));
  if (!answer) {
    PyErr_WriteUnraisable(function);
  }
}

PyObject* add_done_callback(PyObject* object, PyObject* function) {
  handle_object* self = as_handle(object);
  if (!PyCallable_Check(function)) {
    PyErr_Format(PyExc_TypeError, "add_done_callback() needs a function to call; found %s", Py_TYPE(function)->tp_name);
    return nullptr;
  }
  if (refuse_beside_simulation(self->state(), "handle.add_done_callback()")) {
    return nullptr;
  }
  auto* mine = new (std::nothrow) end_callback{.next = nullptr, .function = python::object::share(function)};
  if (mine == nullptr) {
    return PyErr_NoMemory();
  }
  detail::tasklet& record = self->frame->record_;
  record.lock_.lock();
  const bool is_late = has_ended(self);
  if (!is_late) {
    end_callback** last = &self->frame->callbacks_;
    while (*last != nullptr) {
      last = &(*last)->next;
    }
    *last = mine;
    self->state().callbacks.fetch_add(1, base::relaxed);
  }
  record.lock_.unlock();
  if (is_late) {
    delete mine;
    tell_end(function, object);
  }
  Py_RETURN_NONE;
}

PyObject* cancel(PyObject* object, PyObject*) {
  if (refuse_beside_simulation(as_handle(object)->state(), "handle.cancel()")) {
    return nullptr;
  }
  ask_to_stop(*as_handle(object)->frame);
  Py_RETURN_NONE;
}

PyObject* get_state(PyObject* object, void*) {
  return PyUnicode_InternFromString(name_of_status(detail::status_of(as_handle(object)->frame->record_)));
}

PyObject* get_name(PyObject* object, void*) { return name_of(as_handle(object)); }
PyObject* get_place(PyObject* object, void*) { return place_of(as_handle(object)); }

PyObject* text_of(PyObject* object) {
  handle_object* self = as_handle(object);
  const python::object name = python::object::take(name_of(self));
  const python::object place = python::object::take(place_of(self));
  if (!name || !place) {
    return nullptr;
  }
  return PyUnicode_FromFormat("<martlet.handle %R, %s, spawned at %U>", name.get(),
                              name_of_status(detail::status_of(self->frame->record_)), place.get());
}

void free_callbacks(module_state& state, end_callback* first) noexcept {
  while (first != nullptr) {
    delete std::exchange(first, first->next);
    state.callbacks.fetch_sub(1, base::relaxed);
  }
}

// Nobody can join it any more; has anybody seen its error?
void finalize(PyObject* object) {
  handle_object* self = as_handle(object);
  if (!self->has_failed || self->is_told) {
    return;
  }
  self->is_told = true;
  if (self->is_explored) {
    if (const std::shared_ptr<run> all = self->state().current_run(); all != nullptr) {
      all->add_unjoined(self->outcome);
    }
    return;
  }
  const error_set_aside raised;
  const python::object name = python::object::take(name_of(self));
  const python::object place = python::object::take(place_of(self));
  const python::object where =
      python::object::take(!name || !place
                               ? nullptr
                               : PyUnicode_FromFormat("martlet tasklet %R, spawned at %U, which nobody joined",
                                                      name.get(), place.get()));
  PyErr_Clear();
  raise_again(python::object::share(self->outcome));
  PyErr_WriteUnraisable(where.get());
}

int traverse(PyObject* object, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(object));
  handle_object* self = as_handle(object);
  Py_VISIT(self->named_by);
  Py_VISIT(self->owner);
  Py_VISIT(self->outcome);
  Py_VISIT(self->traceback);
  if (self->frame != nullptr) {
    Py_VISIT(self->frame->locals_);
    for (const end_callback* one = self->frame->callbacks_; one != nullptr; one = one->next) {
      Py_VISIT(one->function.get());
    }
  }
  return 0;
}

int clear(PyObject* object) {
  handle_object* self = as_handle(object);
  Py_CLEAR(self->outcome);
  Py_CLEAR(self->traceback);
  Py_CLEAR(self->named_by);
  Py_CLEAR(self->owner);
  return 0;
}

void free_handle(PyObject* object) {
  handle_object* self = as_handle(object);
  PyTypeObject* type = Py_TYPE(object);
  if (PyObject_CallFinalizerFromDealloc(object) < 0) {
    return;  // somebody keeps it now
  }
  PyObject_GC_UnTrack(object);
  if (self->weak_references != nullptr) {
    PyObject_ClearWeakRefs(object);
  }
  if (tasklet_frame* frame = std::exchange(self->frame, nullptr); frame != nullptr) {
    if (frame->callbacks_ != nullptr) {  // of one that never ran
      free_callbacks(self->state(), std::exchange(frame->callbacks_, nullptr));
    }
    if (frame->body_ == body::coroutine) {
      free_frame(static_cast<coroutine_frame*>(frame));
    } else {
      free_frame(static_cast<function_frame*>(frame));
    }
  }
  Py_CLEAR(self->named_by);
  Py_CLEAR(self->code);
  Py_CLEAR(self->outcome);
  Py_CLEAR(self->traceback);
  Py_CLEAR(self->owner);
  type->tp_free(object);
  Py_DECREF(type);
}

PyMethodDef methods[] = {
    {"join", as_method(join), with_keywords,
     "join($self, /, timeout=None)\n--\n\n"
     "Waits until the tasklet has ended.\n\n"
     "Takes     how many seconds at most.\n"
     "Returns   what it returned.\n"
     "Throws    what it raised, with its traceback; DeadlinePassed; Cancelled.\n"
     "Suspends  until the end. In a coroutine write 'await handle', or 'await handle.ajoin()'."},
    {"ajoin", as_method(ajoin), with_keywords, "ajoin($self, /, timeout=None)\n--\n\nThe awaitable twin of join."},
    {"done", is_done, METH_NOARGS, "done($self, /)\n--\n\nTells whether the tasklet has ended. Suspends never."},
    {"result", result, METH_NOARGS,
     "result($self, /)\n--\n\n"
     "Returns what the tasklet returned, or raises what it raised, with its traceback. Suspends never.\n\n"
     "Throws    Misuse when it has not ended."},
    {"add_done_callback", add_done_callback, METH_O,
     "add_done_callback($self, function, /)\n--\n\n"
     "Has function(handle) called when the tasklet has ended; right now when it has already. Suspends never.\n\n"
     "It is called on the worker that ended the tasklet, between two tasklets, so it may not wait. What it raises goes to\n"
     "sys.unraisablehook."},
    {"cancel", cancel, METH_NOARGS,
     "cancel($self, /)\n--\n\n"
     "Asks the tasklet to stop: the wait it is in, and every later one, raises Cancelled. Suspends never."},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, "handle[T] gives a T when it is joined."},
    {nullptr, nullptr, 0, nullptr},
};

PyGetSetDef properties[] = {
    {"state", get_state, nullptr, "What the tasklet is doing: 'queued', 'running', 'blocked', 'done' or 'failed'.",
     nullptr},
    {"name", get_name, nullptr, "The name that it was given, else that of its function.", nullptr},
    {"spawned_at", get_place, nullptr, "Where it was spawned: 'file:line'.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyMemberDef members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(handle_object, weak_references), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr},
};

PyType_Slot slots[] = {
    {Py_tp_doc,
     const_cast<char*>("A tasklet, as spawn gives it: the right to ask about it, to wait for it, to stop it.\n\n"
                       "Dropping it does not stop the tasklet. Any number may join it.")},
    {Py_tp_finalize, reinterpret_cast<void*>(finalize)},
    {Py_tp_dealloc, reinterpret_cast<void*>(free_handle)},
    {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
    {Py_tp_clear, reinterpret_cast<void*>(clear)},
    {Py_tp_repr, reinterpret_cast<void*>(text_of)},
    {Py_tp_methods, methods},
    {Py_tp_members, members},
    {Py_tp_getset, properties},
    {Py_am_await, reinterpret_cast<void*>(await_handle)},
    {0, nullptr},
};

PyType_Spec spec = {
    .name = "martlet.handle",
    .basicsize = sizeof(handle_object),
    .itemsize = 0,
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

}  // namespace

PyObject* join_wait::case_result() { return outcome_of(at()); }

PyObject* outcome_of(handle_object* child) {
  if (!child->has_failed || child->outcome == nullptr) {  // a collector may have cleared it
    return Py_NewRef(child->outcome != nullptr ? child->outcome : Py_None);
  }
  child->is_told = true;
  if (child->traceback != nullptr) {
    PyException_SetTraceback(child->outcome, child->traceback);  // without what earlier joins have added
  }
  raise_again(object::share(child->outcome));
  return nullptr;
}

handle_object* make_handle(module_state& state, tasklet_frame& frame, PyObject* function, PyObject* name) {
  auto* self = reinterpret_cast<handle_object*>(state.handle_type->tp_alloc(state.handle_type, 0));
  if (self == nullptr) {
    return nullptr;
  }
  self->frame = &frame;
  self->named_by = Py_NewRef(name != nullptr ? name : function);
  // The frame's object is made once per activation, however many tasklets it spawns; lines are counted when asked for.
  if (PyFrameObject* caller = PyEval_GetFrame(); caller != nullptr) {
    self->code = reinterpret_cast<PyObject*>(PyFrame_GetCode(caller));
    self->instruction = PyFrame_GetLasti(caller);
  }
  return self;
}

PyObject* name_of(handle_object* self) {
  if (self->named_by == nullptr) {  // a collector has cleared it
    return PyUnicode_FromString("?");
  }
  if (PyUnicode_Check(self->named_by)) {
    return Py_NewRef(self->named_by);
  }
  PyObject* name = PyObject_GetAttrString(self->named_by, "__qualname__");
  if (name == nullptr) {
    PyErr_Clear();
    name = PyUnicode_FromString(Py_TYPE(self->named_by)->tp_name);
  }
  return name;
}

PyObject* place_of(handle_object* self) {
  if (self->code == nullptr) {
    return PyUnicode_FromString(self->frame->record_.site_.text().c_str());
  }
  auto* code = reinterpret_cast<PyCodeObject*>(self->code);
  return PyUnicode_FromFormat("%U:%d", code->co_filename, PyCode_Addr2Line(code, self->instruction));
}

void ask_to_stop(tasklet_frame& who) noexcept { detail::request_cancel(&who.record_); }

void end_tasklet(tasklet_frame& who, object result, object error) {
  handle_object* self = who.self_;
  module_state& state = self->state();
  detail::host& here = *who.record_.at();
  run& all = *who.run_;
  if (who.record_.has_extras_) {
    detail::drop_extras(who.record_);  // of C++ that it called
  }
  const bool has_failed = static_cast<bool>(error);
  if (has_failed) {
    self->traceback = PyException_GetTraceback(error.get());
    self->outcome = error.release();
    self->has_failed = true;
    if (PyErr_GivenExceptionMatches(self->outcome, state.cancelled)) {
      self->is_told = true;  // it was asked to stop, and did
    } else if (PyErr_GivenExceptionMatches(self->outcome, PyExc_KeyboardInterrupt) ||
               PyErr_GivenExceptionMatches(self->outcome, PyExc_SystemExit)) {
      self->is_told = true;
      all.stop_because(self->outcome);
    } else if (self->owner != nullptr) {
      self->is_told = child_of_scope_failed(self->owner, who, self->outcome);
    }
  } else {
    self->outcome = result.release();
  }
  if (all.main() == &who) {
    all.stop_all();
  }

  detail::wait_node* ended = nullptr;
  detail::tasklet& record = who.record_;
  record.lock_.lock();
  record.word_.store(detail::tasklet::bits(has_failed ? detail::tag::failed : detail::tag::done),
                     base::release);  // [word.finish]
  while (detail::wait_node* node = who.joiners_.front()) {
    detail::wait_list::unlink(*node);
    if (detail::claim(node->owner, record)) {
      node->prev = ended;
      ended = node;
    }
  }
  end_callback* const callbacks = std::exchange(who.callbacks_, nullptr);
  record.lock_.unlock();
  detail::owner_of(record.link_).child_ended(here, record.link_);
  who.family_->leave(who, &here);
  while (ended != nullptr) {
    detail::wait_node* next = ended->prev;
    detail::ready(detail::complete(*ended), &here);
    ended = next;
  }
  here.current_.store(nullptr, base::relaxed);  // what destructors now run is no tasklet
  for (const end_callback* one = callbacks; one != nullptr; one = one->next) {
    tell_end(one->function.get(), reinterpret_cast<PyObject*>(self));
  }
  free_callbacks(state, callbacks);
  if (who.locals_ != nullptr) {
    PyDict_Clear(who.locals_);  // it is part of a cycle: local.cpp
    Py_CLEAR(who.locals_);
  }
  all.dismiss(here);
  Py_DECREF(reinterpret_cast<PyObject*>(self));  // `who` may be gone
}

bool make_handle_type(PyObject* module, module_state& state) {
  state.handle_type = reinterpret_cast<PyTypeObject*>(PyType_FromModuleAndSpec(module, &spec, nullptr));
  return state.handle_type != nullptr && PyModule_AddType(module, state.handle_type) == 0;
}

}  // namespace martlet::python
