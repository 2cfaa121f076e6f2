#include "coroutine_tasklet.hpp"
#include "function_tasklet.hpp"
#include "handle.hpp"
#include "run.hpp"

namespace martlet::python {
namespace {

// Looks through methods and functools.partial for the function that will run.
PyObject* innermost(module_state& state, PyObject* callable, object& kept) {
  for (int depth = 0; depth < 16; ++depth) {
    if (PyMethod_Check(callable)) {
      callable = PyMethod_GET_FUNCTION(callable);
    } else if (PyObject_TypeCheck(callable, reinterpret_cast<PyTypeObject*>(state.partial_type))) {
      kept = object::take(PyObject_GetAttrString(callable, "func"));
      if (!kept) {
        PyErr_Clear();
        return callable;
      }
      callable = kept.get();
    } else {
      break;
    }
  }
  return callable;
}

// Returns   the flags of the code that a call of `callable` runs; 0 where that is not known.
int code_flags(module_state& state, PyObject* callable) {
  object kept;
  PyObject* function = innermost(state, callable, kept);
  return PyFunction_Check(function) ? reinterpret_cast<PyCodeObject*>(PyFunction_GET_CODE(function))->co_flags : 0;
}

// Coroutines of CPython's own and of compilers such as Cython.
bool is_coroutine(PyObject* what) {
  const PyAsyncMethods* async = Py_TYPE(what)->tp_as_async;
  return PyCoro_CheckExact(what) ||
         (async != nullptr && async->am_send != nullptr && async->am_await != nullptr && !PyCallable_Check(what));
}

// Whether a coroutine has been resumed before, by whomever.
bool has_begun(PyObject* coroutine) {
  if (!PyCoro_CheckExact(coroutine)) {
    return false;
  }
  const object frame = object::take(PyObject_GetAttrString(coroutine, "cr_frame"));
  const object running = object::take(PyObject_GetAttrString(coroutine, "cr_running"));
  const object suspended = object::take(PyObject_GetAttrString(coroutine, "cr_suspended"));
  PyErr_Clear();
  return frame.get() == Py_None || running.get() == Py_True || suspended.get() == Py_True;
}

// Copies the caller's context variables for a tasklet. Without any there is no copy: a context is made when the tasklet sets one.
//
// Returns   false with an exception set.
bool copy_context(object& copy) {
  copy = object::take(PyContext_CopyCurrent());
  const Py_ssize_t variables = copy ? PyObject_Size(copy.get()) : -1;
  if (variables == 0) {
    copy = {};
  }
  return variables >= 0;
}

// Makes a tasklet of a coroutine that was given; null with an exception set.
tasklet_frame* make_of_coroutine(module_state& state, PyObject* coroutine, object context) {
  auto* frame = make_frame<coroutine_frame>(object::share(coroutine), std::move(context));
  if (frame->claim(state) && !has_begun(coroutine)) {
    return frame;
  }
  free_frame(frame);
  PyErr_SetString(state.misuse,
                  "spawn: this coroutine has begun already, or is a tasklet already: it runs once; call the coroutine "
                  "function again, or give spawn the function");
  return nullptr;
}

// Makes the frame; null with an exception set.
tasklet_frame* make_tasklet(module_state& state, PyObject* what, PyObject* const* args, Py_ssize_t count,
                            object context) {
  if (Py_IS_TYPE(what, state.operation_type) || Py_IS_TYPE(what, state.handle_type)) {
    PyErr_Format(PyExc_TypeError, "spawn: a tasklet runs a coroutine or a function; found %s, which is awaited",
                 Py_TYPE(what)->tp_name);
    return nullptr;
  }
  const int flags = code_flags(state, what);
  if (PyAsyncGen_CheckExact(what) || (flags & CO_ASYNC_GENERATOR) != 0) {
    PyErr_SetString(PyExc_TypeError,
                    "spawn: a tasklet runs a coroutine or a function; found an async generator, which is iterated over "
                    "('async for') inside a coroutine");
    return nullptr;
  }
  if (is_coroutine(what)) {
    if (count != 0) {
      PyErr_SetString(PyExc_TypeError,
                      "spawn: a coroutine has its arguments already; pass the coroutine function to "
                      "give it some");
      return nullptr;
    }
    return make_of_coroutine(state, what, std::move(context));
  }
  if (!PyCallable_Check(what)) {
    PyErr_Format(PyExc_TypeError, "spawn: a tasklet runs a coroutine or a function; found %s", Py_TYPE(what)->tp_name);
    return nullptr;
  }
  if ((flags & CO_COROUTINE) != 0) {
    object coroutine = object::take(PyObject_Vectorcall(what, args, static_cast<std::size_t>(count), nullptr));
    return coroutine ? make_frame<coroutine_frame>(std::move(coroutine), std::move(context)) : nullptr;
  }
  if (!can_switch_thread_state) {
    PyErr_Format(PyExc_NotImplementedError,
                 "martlet does not know how CPython %d.%d keeps the state of a thread, so plain functions cannot be "
                 "tasklets here: spawn coroutines ('async def')",
                 PY_MAJOR_VERSION, PY_MINOR_VERSION);
    return nullptr;
  }
  object tuple = object::take(PyTuple_New(count));
  if (!tuple) {
    return nullptr;
  }
  for (Py_ssize_t i = 0; i < count; ++i) {
    PyTuple_SET_ITEM(tuple.get(), i, Py_NewRef(args[i]));
  }
  return make_frame<function_frame>(object::share(what), std::move(tuple), std::move(context));
}

// Of Python code, for a simulation's report; costs more than a spawn, and is as good as the handle that keeps the file's
// name.
site site_of(const handle_object* self) noexcept {
  auto* code = reinterpret_cast<PyCodeObject*>(self->code);
  const char* file = PyUnicode_AsUTF8(code->co_filename);
  if (file == nullptr) {
    PyErr_Clear();
    return {};
  }
  return site::here(file, static_cast<unsigned>(PyCode_Addr2Line(code, self->instruction)));
}

// Returns   the coroutine that has `what` run by an isolated worker, and ends as it does; null with an exception set.
object stand_in_for(run& all, PyObject* name, PyObject* what, PyObject* const* args, Py_ssize_t count) {
  if (all.is_simulated()) {
    PyErr_SetString(all.state().misuse,
                    "spawn(isolated=True): a simulation runs on one thread, and isolated workers are others: spawn it "
                    "there without");
    return {};
  }
  const object module = object::take(PyImport_ImportModule("martlet._isolated"));
  const object function = object::take(module ? PyObject_GetAttrString(module.get(), "stand_in") : nullptr);
  const object given = object::take(PyTuple_New(count + 2));
  if (!function || !given) {
    return {};
  }
  PyTuple_SET_ITEM(given.get(), 0, Py_NewRef(name == nullptr ? Py_None : name));
  PyTuple_SET_ITEM(given.get(), 1, Py_NewRef(what));
  for (Py_ssize_t i = 0; i < count; ++i) {
    PyTuple_SET_ITEM(given.get(), i + 2, Py_NewRef(args[i]));
  }
  return object::take(PyObject_CallObject(function.get(), given.get()));
}

void free_unstarted(tasklet_frame* frame) noexcept {
  if (frame->body_ == body::coroutine) {
    free_frame(static_cast<coroutine_frame*>(frame));
  } else {
    free_frame(static_cast<function_frame*>(frame));
  }
}

}  // namespace

PyObject* spawn_in(run& all, family& owner, PyObject* scope, PyObject* what, PyObject* const* args, Py_ssize_t count,
                   spawn_options how, bool is_main) {
  module_state& state = all.state();
  object context;
  if (!copy_context(context)) {
    return nullptr;
  }
  object stand_in;
  if (how.is_isolated) {
    stand_in = stand_in_for(all, how.name, what, args, count);
    if (!stand_in) {
      return nullptr;
    }
  }
  tasklet_frame* frame = nullptr;
  try {
    frame = stand_in ? make_tasklet(state, stand_in.get(), nullptr, 0, std::move(context))
                     : make_tasklet(state, what, args, count, std::move(context));
  } catch (...) {
    return raise_what_was_caught(state);
  }
  if (frame == nullptr) {
    return nullptr;
  }
  handle_object* self = make_handle(state, *frame, what, how.name);
  if (self == nullptr) {
    free_unstarted(frame);
    return nullptr;
  }
  object handle = object::take(reinterpret_cast<PyObject*>(self));  // frees the frame with it
  if (is_main) {
    all.admit_main(*frame);
  } else if (!all.admit()) {
    PyErr_SetString(state.misuse, "spawn(): the run has ended, nothing runs tasklets any more");
    return nullptr;
  }
  self->owner = Py_XNewRef(scope);
  self->is_explored = all.is_explored();
  frame->run_ = &all;
  frame->stays_ = how.is_pinned;
  frame->record_.site_ = how.where;
  frame->self_ = reinterpret_cast<handle_object*>(handle.new_reference());
  owner.adopt(*frame);
  detail::enter(all.queue(), nullptr, &frame->record_,
                all.is_simulated() && self->code != nullptr ? site_of(self) : how.where);
  return handle.release();
}

}  // namespace martlet::python
