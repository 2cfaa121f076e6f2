#include "contexts.hpp"

namespace martlet::python::stackless {
namespace {

// Where a tasklet's context lies: in the thread's state while it is current, with its stack while it is suspended.
PyObject*& place_of(tasklet& one) noexcept {
  if (is_current(one)) {
    return one.home->state->context;
  }
  return one.what == stage::started && one.stack != nullptr ? one.stack->state.context : one.context;
}

bool is_entered(PyObject* context) {
  if (PyContext_Enter(context) < 0) {
    PyErr_Clear();
    return true;
  }
  if (PyContext_Exit(context) < 0) {
    PyErr_Clear();
  }
  return false;
}

// The interpreter makes a context for its thread when it is first asked for one.
bool ensure_current() {
  if (PyThreadState_Get()->context != nullptr) [[likely]] {
    return true;
  }
  const object copy = object::take(PyContext_CopyCurrent());
  return static_cast<bool>(copy);
}

}  // namespace

object context_of(tasklet& one) {
  PyThreadState* mine = PyThreadState_Get();
  if (is_current(one)) {
    if (one.home->state != mine) {
      if (one.home->state->context == nullptr) {
        PyErr_SetString(PyExc_RuntimeError, "The tasklet has no context and you can't set one from a foreign thread.");
        return {};
      }
      return object::share(one.home->state->context);
    }
    return ensure_current() ? object::share(mine->context) : object();
  }
  PyObject*& place = place_of(one);
  if (place == nullptr) {
    place = PyContext_New();
  }
  return object::share(place);
}

bool set_context(tasklet& one, PyObject* context) {
  PyThreadState* mine = PyThreadState_Get();
  const thread* its = thread_of(one);
  const bool is_here = its != nullptr && its->state == mine;
  if ((!is_here && (is_current(one) || one.where == place::chain)) || one.where == place::offers) {
    PyErr_SetString(PyExc_RuntimeError, "tasklet belongs to a different thread");
    return false;
  }
  PyObject*& place = place_of(one);
  const bool may_be_inside = is_current(one) || one.what == stage::started;  // before, it shares what its creator is in
  if (may_be_inside && place != nullptr && is_entered(place)) {
    PyErr_SetString(PyExc_RuntimeError, "the current context of the tasklet has been entered.");
    return false;
  }
  object before = object::share(context);
  {
    const guard held(chains);
    before = object::take(std::exchange(place_of(one), before.release()));
  }
  if (is_current(one)) {
    ++mine->context_ver;
  }
  return true;
}

bool take_current_context(tasklet& one) {
  if (!ensure_current()) {
    return false;
  }
  PyThreadState* mine = PyThreadState_Get();
  object now = object::share(mine->context);
  one.may_spread = one.home->state == mine && one.home->mates != nullptr;
  if (one.may_spread) [[unlikely]] {  // no two threads may be in one context at once
    now = object::take(PyContext_Copy(now.get()));
    if (!now) {
      return false;
    }
  }
  if (one.context == nullptr && one.what != stage::started) [[likely]] {
    one.context = now.release();
    return true;
  }
  return set_context(one, now.get());
}

PyObject* run_in_context(tasklet& one, PyObject* const* args, Py_ssize_t count, PyObject* keywords) {
  if (count < 1) {
    PyErr_SetString(PyExc_TypeError, "run() missing 1 required positional argument");
    return nullptr;
  }
  object context = context_of(one);
  if (!context) {
    return nullptr;
  }
  PyThreadState* mine = PyThreadState_Get();
  const auto exchange = [mine, &context] {
    context = object::take(std::exchange(mine->context, context.release()));
    ++mine->context_ver;
  };
  exchange();
  PyObject* result = PyObject_Vectorcall(args[0], args + 1, static_cast<std::size_t>(count - 1), keywords);
  exchange();
  return result;
}

}  // namespace martlet::python::stackless
