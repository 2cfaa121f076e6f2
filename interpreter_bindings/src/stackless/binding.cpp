#include "bomb.hpp"
#include "contexts.hpp"
#include "crew.hpp"
#include "frames.hpp"
#include "schedule.hpp"
#include "tasklet.hpp"

/// What gives a tasklet a function, and takes it away.
namespace martlet::python::stackless {
namespace {

bool raise(PyObject* type, const char* text) {
  PyErr_SetString(type, text);
  return false;
}

// Takes the functions that it has started away: none of their handlers runs.
bool drop_frames(tasklet& one) {
  if (one.what == stage::started) {
    thread* mine = thread_of(one);
    if (mine == nullptr || mine->state != PyThreadState_Get()) {
      return raise(PyExc_RuntimeError, "martlet.stackless: only its own thread can take a tasklet's frames away");
    }
    if (!frames::forget_handlers(one.stack->state)) {
      return false;
    }
    const object done = object::take(kill(one, false));
    if (done && one.what == stage::started) {  // a C function has gone on in spite of it
      return raise(PyExc_RuntimeError, "tasklet has C state on its stack");
    }
    return static_cast<bool>(done);
  }
  object dropped[3];
  const guard held(chains);
  if (one.where != place::nowhere || one.what == stage::started) {  // since it was looked at
    return raise(PyExc_RuntimeError, "tasklet is scheduled");
  }
  one.what = stage::none;
  dropped[0] = object::take(std::exchange(one.function, nullptr));
  dropped[1] = object::take(std::exchange(one.args, nullptr));
  dropped[2] = object::take(std::exchange(one.kwargs, nullptr));
  return true;
}

bool may_bind(tasklet& one, bool unbinds) {
  thread* its = thread_of(one);
  if (is_current(one)) {
    return raise(PyExc_RuntimeError, "can't (re)bind the current tasklet");
  }
  if (is_scheduled(one)) {
    return raise(PyExc_RuntimeError, "tasklet is scheduled");
  }
  const int level = nesting_level(one);
  if (level != 0) {
    return level < 0 ? false : raise(PyExc_RuntimeError, "tasklet has C state on its stack");
  }
  if (its != nullptr && &one == its->main) {
    return raise(PyExc_RuntimeError, unbinds ? "can't unbind the main tasklet" : "tasklet has C state on its stack");
  }
  return true;
}

}  // namespace

bool bind(tasklet& one, PyObject* function, PyObject* args, PyObject* kwargs) {
  const auto given = [](PyObject*& what) { what = what == Py_None ? nullptr : what; };
  given(function);
  given(args);
  given(kwargs);
  if (function != nullptr && PyCallable_Check(function) == 0) {
    return raise(PyExc_TypeError, "tasklet function must be a callable or None");
  }
  if (args != nullptr && !PyTuple_Check(args)) {
    return raise(PyExc_TypeError, "tasklet args must be a tuple or None");
  }
  if (kwargs != nullptr && !PyDict_Check(kwargs)) {
    return raise(PyExc_TypeError, "tasklet kwargs must be a dictionary or None");
  }
  const bool has_arguments = args != nullptr || kwargs != nullptr;
  if (!may_bind(one, !has_arguments) || !drop_frames(one) || (function != nullptr && !take_current_context(one))) {
    return false;
  }
  if (!has_arguments) {
    set_value(one, function != nullptr ? function : Py_None);
    return true;
  }
  object before;
  if (function != nullptr) {
    before = object::share(one.value);
    set_value(one, function);
  }
  const object no_arguments = object::take(args != nullptr ? nullptr : PyTuple_New(0));
  if ((args == nullptr && !no_arguments) || !set_up(one, args != nullptr ? args : no_arguments.get(), kwargs, false)) {
    if (function != nullptr) {
      set_value(one, before.get());
    }
    return false;
  }
  return true;
}

bool set_up(tasklet& one, PyObject* args, PyObject* kwargs, bool inserts) {
  object old[3];
  const guard held(chains);
  if (one.value == Py_None) {
    return raise(PyExc_RuntimeError, "the tasklet was not bound to a function");
  }
  if (thread_of(one) == nullptr) {
    return raise(PyExc_RuntimeError, "tasklet has no thread");
  }
  if (one.what != stage::none || one.where != place::nowhere) {
    return raise(PyExc_RuntimeError, "tasklet is already bound to a frame");
  }
  old[0] = object::take(std::exchange(one.function, claim_value(one).release()));
  old[1] = object::take(std::exchange(one.args, Py_NewRef(args)));
  old[2] = object::take(std::exchange(one.kwargs,
                                      kwargs != nullptr && PyDict_GET_SIZE(kwargs) != 0 ? Py_NewRef(kwargs) : nullptr));
  one.what = stage::bound;
  one.start_time = one.end_time = 0;
  one.times_switched_to = 0;
  if (inserts) {
    Py_INCREF(one.self());
    if (!offer(one)) [[likely]] {
      one.home->insert(one);
      one.home->wake();
    }
  }
  return true;
}

bool bind_thread(tasklet& one, thread& there) {
  thread* before = nullptr;
  const char* refusal = nullptr;
  {
    const guard held(chains);
    if (one.where == place::chain || one.where == place::offers) {
      refusal = "can't (re)bind a runnable tasklet";
    } else if (one.what == stage::started && thread_of(one) != nullptr) {
      refusal = "tasklet has C state on its stack";
    } else {
      there.keep();
      before = one.home;
      one.home = &there;
      one.may_spread = false;
      if (one.what == stage::started) {  // its thread has ended: of what it was nothing is left
        one.what = stage::none;
        one.stack = nullptr;
      }
    }
  }
  if (refusal != nullptr) {
    return raise(PyExc_RuntimeError, refusal);
  }
  before->let_go();
  return true;
}

}  // namespace martlet::python::stackless
