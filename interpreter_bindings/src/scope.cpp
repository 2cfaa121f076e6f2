#include "scope.hpp"

#include "arguments.hpp"
#include "handle.hpp"
#include "operation.hpp"
#include "run.hpp"

namespace martlet::python {
namespace {

/// `martlet.scope`: owns tasklets, none of which outlives its `with` block.
struct scope_object {
  enum class stage : unsigned char { fresh, inside, over };

  PyObject_HEAD module_state* state;
  family* children;
  std::shared_ptr<run> all;  // between enter and exit
  PyObject* body;            // the handle of the tasklet that entered it; null: a thread
  base::atomic<stage> now;
  bool is_detached;               // nobody's block: what its tasklets raise is kept by their handles alone
  base::atomic<bool> stops_body;  // it has asked its own body to stop, because a child failed
};

using stage = scope_object::stage;

scope_object* as_scope(PyObject* self) noexcept { return reinterpret_cast<scope_object*>(self); }

tasklet_frame* body_of(scope_object* self) noexcept {
  return self->body == nullptr ? nullptr : reinterpret_cast<handle_object*>(self->body)->frame;
}

void stop_children(scope_object* self) { self->children->stop_all(nullptr); }

// ---- the end

// Waits for the children and tells what `with` wants to know: whether the body's exception is dealt with.
class exit_wait final : public family_wait {
 public:
  exit_wait(scope_object* of, PyObject* error)
      : family_wait(*of->children),
        scope_(object::share(reinterpret_cast<PyObject*>(of))),
        error_(object::share(error == Py_None ? nullptr : error)) {}

  bool try_at_once(detail::tasklet* who) override {
    if (error_) {
      stop();
    }
    return is_over(who);
  }

  bool is_over(detail::tasklet* who) override {
    if (who->root()->is_cancelled()) {
      stop();
    }
    return family_wait::is_over(who);
  }

  PyObject* finish() override;
  module_state& state() const noexcept override { return *scope()->state; }

  int traverse(visitproc visit, void* arg) const override {
    Py_VISIT(scope_.get());
    Py_VISIT(error_.get());
    return 0;
  }

 private:
  scope_object* scope() const noexcept { return as_scope(scope_.get()); }
  void stop() {
    if (!std::exchange(has_stopped_, true)) {
      stop_children(scope());
    }
  }
  void forgive_body();
  PyObject* raise_group(std::vector<object> errors);

  object scope_;
  object error_;  // that left the body
  bool has_stopped_ = false;
};

// Takes back that the scope had asked its own body to stop; whoever else asked too stays heard.
void exit_wait::forgive_body() {
  scope_object* self = scope();
  tasklet_frame* body = body_of(self);
  if (body == nullptr || !self->stops_body.exchange(false, base::acq_rel)) {
    return;
  }
  body->scopes_that_stop_it_.fetch_sub(1, base::acq_rel);
  detail::forgive_scope(
      body->record_,
      [](void* who) {
        return static_cast<std::uint16_t>(
            static_cast<tasklet_frame*>(who)->scopes_that_stop_it_.load(base::acquire) != 0 ? 1 : 0);
      },
      body);
}

PyObject* exit_wait::finish() {
  scope_object* self = scope();
  if (self->now.exchange(stage::over, base::acq_rel) == stage::inside) {
    self->all->remove_family(*self->children);
    self->all.reset();
  }
  forgive_body();
  std::vector<object> errors = self->children->take_errors();
  if (errors.empty()) {
    const tasklet_frame* body = body_of(self);
    if (!error_ && body != nullptr && body->record_.is_cancelled()) {
      return raise_cancelled(state());  // as every wait
    }
    Py_RETURN_FALSE;  // the body's own exception, if any, goes on
  }
  // A body that was asked to stop says no more than the errors do; if somebody else asked, its next wait says so again.
  if (error_ && PyErr_GivenExceptionMatches(error_.get(), state().cancelled) == 0) {
    if (PyErr_GivenExceptionMatches(error_.get(), PyExc_Exception) == 0) {
      Py_RETURN_FALSE;
    }
    errors.insert(errors.begin(), object::share(error_.get()));
  }
  return raise_group(std::move(errors));
}

PyObject* exit_wait::raise_group(std::vector<object> errors) {
  const object list = object::take(list_of(std::move(errors)));
  if (!list) {
    return nullptr;
  }
  const object group =
      object::take(PyObject_CallFunction(state().exception_group, "sO", "tasklets of a scope failed", list.get()));
  if (group) {
    PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(group.get())), group.get());
  }
  return nullptr;
}

// ---- the beginning

bool enter(scope_object* self, tasklet_frame* body) {
  stage was = stage::fresh;
  if (!self->now.compare_exchange_strong(was, stage::inside, base::acq_rel)) {
    PyErr_SetString(self->state->misuse, "a scope is entered once: make a new one");
    return false;
  }
  self->all = run_for_spawn(*self->state);
  if (self->all == nullptr) {
    self->now.store(stage::over, base::release);
    return false;
  }
  if (body != nullptr) {
    self->body = Py_NewRef(reinterpret_cast<PyObject*>(body->self_));
  }
  self->all->add_family(*self->children);
  return true;
}

bool refuse_coroutine(scope_object* self) {
  tasklet_frame* who = current_tasklet();
  if (who != nullptr && who->body_ == body::coroutine) {
    PyErr_SetString(self->state->misuse,
                    "leaving a 'with martlet.scope()' blocks, and inside a coroutine tasklet it would hold up the "
                    "worker with all its tasklets: write 'async with martlet.scope()' instead");
    return true;
  }
  return false;
}

PyObject* enter_blocking(PyObject* object, PyObject*) {
  return refuse_coroutine(as_scope(object)) || !enter(as_scope(object), current_tasklet()) ? nullptr
                                                                                           : Py_NewRef(object);
}

// For what outlives the call that makes it: no tasklet is its body, and whoever closes it leaves it.
PyObject* open(PyObject* object, PyObject*) {
  as_scope(object)->is_detached = true;
  return enter(as_scope(object), nullptr) ? Py_NewRef(object) : nullptr;
}

PyObject* exit_blocking(PyObject* object, PyObject* const* given, Py_ssize_t count) {
  exit_wait end(as_scope(object), count == 3 ? given[1] : Py_None);
  return block(end, "leaving a 'with martlet.scope()'", "async with martlet.scope()");
}

// Is over at once and gives the scope.
class enter_wait final : public wait {
 public:
  explicit enter_wait(scope_object* of) : scope_(object::share(reinterpret_cast<PyObject*>(of))) {}

  bool try_at_once(detail::tasklet*) override { return true; }
  bool prepare(detail::tasklet*) override { return false; }
  bool publish() noexcept override { return true; }
  PyObject* finish() override {
    return enter(as_scope(scope_.get()), current_tasklet()) ? scope_.new_reference() : nullptr;
  }
  PyObject* case_result() override { return finish(); }
  module_state& state() const noexcept override { return *as_scope(scope_.get())->state; }
  int traverse(visitproc visit, void* arg) const override {
    Py_VISIT(scope_.get());
    return 0;
  }

 private:
  object scope_;
};

PyObject* enter_awaitable(PyObject* object, PyObject*) {
  return make_operation<enter_wait>(*as_scope(object)->state, base::never, "async with martlet.scope()",
                                    as_scope(object));
}

PyObject* exit_awaitable(PyObject* object, PyObject* const* given, Py_ssize_t count) {
  return make_operation<exit_wait>(*as_scope(object)->state, base::never, "leaving an 'async with martlet.scope()'",
                                   as_scope(object), count == 3 ? given[1] : Py_None);
}

// ---- the rest

PyObject* spawn(PyObject* object, PyTypeObject*, PyObject* const* given, Py_ssize_t count, PyObject* keywords) {
  scope_object* self = as_scope(object);
  spawn_options how;
  if (!read_spawn(count, given, keywords, how)) {
    return nullptr;
  }
  if (self->now.load(base::acquire) != stage::inside) {
    PyErr_SetString(self->state->misuse,
                    "spawn(): this scope is not open; spawn inside of its 'with' or 'async with' block");
    return nullptr;
  }
  if (refuse_beside_simulation(*self->state, "spawn()")) {
    return nullptr;
  }
  return spawn_in(*self->all, *self->children, object, given[0], given + 1, count - 1, how);
}

PyObject* cancel(PyObject* object, PyObject*) {
  if (refuse_beside_simulation(*as_scope(object)->state, "scope.cancel()")) {
    return nullptr;
  }
  stop_children(as_scope(object));
  Py_RETURN_NONE;
}

PyObject* make_scope(PyTypeObject* type, PyObject* args, PyObject* keywords) {
  if (PyTuple_GET_SIZE(args) != 0 || (keywords != nullptr && PyDict_GET_SIZE(keywords) != 0)) {
    PyErr_SetString(PyExc_TypeError, "scope() takes no arguments");
    return nullptr;
  }
  auto* self = reinterpret_cast<scope_object*>(type->tp_alloc(type, 0));
  if (self == nullptr) {
    return nullptr;
  }
  self->state = &state_of(type);
  std::construct_at(&self->all);
  std::construct_at(&self->now, stage::fresh);
  std::construct_at(&self->stops_body, false);
  try {
    self->children = family::make();
  } catch (...) {
    Py_DECREF(self);
    return PyErr_NoMemory();
  }
  return reinterpret_cast<PyObject*>(self);
}

int traverse(PyObject* object, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(object));
  Py_VISIT(as_scope(object)->body);
  return 0;
}

int clear(PyObject* object) {
  Py_CLEAR(as_scope(object)->body);
  return 0;
}

void free_scope(PyObject* object) {
  scope_object* self = as_scope(object);
  PyTypeObject* type = Py_TYPE(object);
  PyObject_GC_UnTrack(object);
  if (self->children != nullptr) {
    if (self->all != nullptr) {  // entered and never left, and its children are gone: they keep it
      self->all->remove_family(*self->children);
    }
    family::free(self->children);
  }
  std::destroy_at(&self->all);
  Py_CLEAR(self->body);
  type->tp_free(object);
  Py_DECREF(type);
}

PyMethodDef methods[] = {
    {"spawn", as_method(spawn), with_keywords,
     "spawn($self, what, /, *args, name=None, pin=False)\n--\n\n"
     "Starts a tasklet that the scope owns. As martlet.spawn, but its failure is the scope's."},
    {"cancel", cancel, METH_NOARGS,
     "cancel($self, /)\n--\n\nAsks all tasklets of the scope to stop, those that come later too. Suspends never."},
    {"__enter__", enter_blocking, METH_NOARGS, nullptr},
    {"__exit__", as_method(exit_blocking), METH_FASTCALL, nullptr},
    {"__aenter__", enter_awaitable, METH_NOARGS, nullptr},
    {"_open", open, METH_NOARGS, nullptr},
    {"__aexit__", as_method(exit_awaitable), METH_FASTCALL, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyType_Slot slots[] = {
    {Py_tp_doc,
     const_cast<char*>("scope()\n--\n\n"
                       "Owns the tasklets that are spawned in it: none outlives its block.\n\n"
                       "Write 'async with martlet.scope() as s' in a coroutine, 'with' in a function. The end of the\n"
                       "block waits for all. The first one that fails stops the others and the block; then the block\n"
                       "raises an ExceptionGroup with all errors. An exception of the block itself stops them too.")},
    {Py_tp_new, reinterpret_cast<void*>(make_scope)},
    {Py_tp_dealloc, reinterpret_cast<void*>(free_scope)},
    {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
    {Py_tp_clear, reinterpret_cast<void*>(clear)},
    {Py_tp_methods, methods},
    {0, nullptr},
};

PyType_Spec spec = {
    .name = "martlet.scope",
    .basicsize = sizeof(scope_object),
    .itemsize = 0,
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

}  // namespace

bool child_of_scope_failed(PyObject* scope, tasklet_frame& child, PyObject* error) {
  scope_object* self = as_scope(scope);
  if (self->is_detached) {
    return false;
  }
  bool is_first = false;
  self->children->keep_error(error, is_first);
  if (!is_first) {
    return true;
  }
  self->children->stop_all(&child);
  // The body may wait for the one that failed. It cannot have left the scope: it waits for the child that we end.
  if (tasklet_frame* body = body_of(self); body != nullptr) {
    body->scopes_that_stop_it_.fetch_add(1, base::acq_rel);  // before the word changes: forgive_scope
    self->stops_body.store(true, base::release);
    detail::request_cancel(&body->record_, 1);
  }
  return true;
}

bool make_scope_type(PyObject* module, module_state& state) {
  state.scope_type = reinterpret_cast<PyTypeObject*>(PyType_FromModuleAndSpec(module, &spec, nullptr));
  return state.scope_type != nullptr && PyModule_AddType(module, state.scope_type) == 0;
}

}  // namespace martlet::python
