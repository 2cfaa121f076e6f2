#include "schedule.hpp"

#include "../arguments.hpp"
#include "bomb.hpp"
#include "channel.hpp"
#include "crew.hpp"
#include "interpreter_call.hpp"
#include "switch.hpp"
#include "watchdog.hpp"

#include <martlet/base/clock.hpp>

namespace martlet::python::stackless {
namespace {

// How often a thread that has nothing to do looks whether somebody can still give it some, and whether signals have arrived.
constexpr auto nap = std::chrono::milliseconds(50);

// Of another thread: it is made runnable there, and the caller goes on.
outcome schedule_elsewhere(thread& here, tasklet& from, tasklet& next, object& result) {
  if (thread_of(next) == nullptr) {
    PyErr_SetString(PyExc_RuntimeError, "tasklet has no thread");
    return outcome::failed;
  }
  const outcome how = schedule(here, from, &from, result);
  if (how == outcome::failed) {
    return how;
  }
  const guard held(chains);
  thread* there = thread_of(next);
  if (there == nullptr || next.what == stage::none) {
    return how;  // it has ended meanwhile
  }
  there->make_runnable(next);
  there->wake();
  return how;
}

// Sleeps until it is woken, for a moment at most unless it is woken for certain.
//
// Returns false with an exception set: a signal's handler has raised it.
bool sleep(thread& here, std::uint32_t heard, bool is_woken) {
  {
    const guard held(chains);
    here.is_idle = true;
  }
  const base::instant until = is_woken ? base::never : base::after(base::now(), nap);
  PyThreadState* state = PyEval_SaveThread();
  base::futex_wait(here.bell, heard, until);
  interpreter_call attaching;
  PyEval_RestoreThread(state);
  attaching.has_returned();
  {
    const guard held(chains);
    here.is_blocked = false;
    here.is_idle = false;
  }
  return PyErr_CheckSignals() == 0;
}

// Returns the first of the chain, null when there is none.
object first_of(thread& here) noexcept {
  const guard held(chains);
  return object::share(here.current != nullptr ? here.current->self() : nullptr);
}

bool is_blocked(const thread& here) noexcept {
  const guard held(chains);
  return here.is_blocked;
}

// An error of a worker's is for the main tasklet, when that waits outside of `run`.
void tell_main(thread& here) {
  const object error = claim_error(here);
  if (error) {
    set_value(*here.main, error.get());
    const guard held(chains);
    here.make_runnable(*here.main);
  }
}

// Nothing is runnable.
outcome schedule_blocked(thread& here, tasklet& from, object& result) {
  if (refuse_while_waiting(here)) {
    return outcome::failed;
  }
  if (here.mates != nullptr && take_offered(here, 0)) [[unlikely]] {
    const object next = first_of(here);
    return schedule(here, from, as_tasklet(next.get()), result);
  }
  tasklet* watchdog = here.watchdog(false);
  bool is_revived = !here.has(thread_blocks) && watchdog->where == place::nowhere;
  const bool waits_for_mates = is_revived && here.mates != nullptr && watchdog == &from && !here.runs.empty();
  if (!is_revived || waits_for_mates) {
    if (const object next = wait_for_others(here, from, waits_for_mates ? &mates_can_run : &others_can_run); next) {
      return schedule(here, from, as_tasklet(next.get()), result);
    }
    if (PyErr_Occurred() != nullptr) {
      const object bomb = bomb_of_error(here.home);
      set_value(from, bomb.get());
      return schedule(here, from, &from, result);
    }
    watchdog = here.watchdog(false);
    is_revived = waits_for_mates || (&here == here.home.first && watchdog->where == place::nowhere);
  }
  if (is_revived) {
    here.ran_dry = true;
    object old;
    if (here.mates == nullptr &&
        watchdog != &from) {  // a bomb is passed on, unless another thread has just given it to `from`
      const guard held(chains);
      if ((from.where == place::channel || from.waits_for == nullptr) && is_bomb(here.home, from.value)) {
        old = object::take(std::exchange(watchdog->value, Py_NewRef(from.value)));
      }
    }
    return schedule(here, from, watchdog, result);
  }
  const waiting mark(here, from);
  const object bomb = runtime_error_bomb(here.home, "Deadlock: the last runnable tasklet cannot be blocked.");
  set_value(from, bomb.get());
  return schedule(here, from, &from, result);
}

}  // namespace

object wait_for_others(thread& here, tasklet& from, bool (*asks)(thread& here, bool& answer)) {
  const waiting mark(here, from);
  const bool is_woken = asks == &mates_can_run && &here != here.home.first;  // signals are for the main thread
  for (;;) {
    const std::uint32_t heard = here.bell.load(base::acquire);
    if (here.mates != nullptr) [[unlikely]] {
      take_offered(here, 0);
      tell_main(here);
    }
    if (object next = first_of(here); next) {
      return next;
    }
    bool can_come = false;
    if (!asks(here, can_come) || !can_come || (is_blocked(here) && !sleep(here, heard, is_woken))) {
      return {};
    }
  }
}

bool refuse_while_waiting(const thread& here) {
  if (here.in_callback) [[unlikely]] {
    PyErr_SetString(PyExc_RuntimeError, "Recursive scheduler call due to callbacks!");
    return true;
  }
  if (here.waiting != nullptr) [[unlikely]] {
    PyErr_SetString(PyExc_RuntimeError, "martlet.stackless: this thread waits for others, and cannot switch meanwhile");
    return true;
  }
  return false;
}

outcome schedule(thread& here, tasklet& from, tasklet* next, object& result) {
  if (next == nullptr) {
    return schedule_blocked(here, from, result);
  }
  if (next != &from) {
    if (next->home != &here) {
      return schedule_elsewhere(here, from, *next, result);
    }
    if (here.switch_traps != 0) [[unlikely]] {
      PyErr_SetString(PyExc_RuntimeError, "switch_trap");
      return outcome::failed;
    }
    if (refuse_while_waiting(here)) [[unlikely]] {
      return outcome::failed;
    }
  }
  channel* left = nullptr;
  object left_before;
  int direction = 0;
  bool is_inserted = false;
  if (next->where != place::chain) {
    const guard held(chains);
    is_inserted = next->where != place::chain;  // unless another thread was quicker
    if (next->where == place::channel) {
      left = next->queue;
      left_before = object::share(next->next != nullptr ? next->next->self() : nullptr);
      direction = next->blocked;
      left->remove(*next);
      here.insert(*next);
    } else if (is_inserted) {
      Py_INCREF(next->self());
      here.insert(*next);
    }
    if (next == &from) {  // nobody else is there, or it is what was waited for
      here.current = next;
    }
  }
  const object kept = left != nullptr ? object::share(left->self()) : object();
  const outcome how = switch_to(here, from, next, result);
  if (how == outcome::failed && is_inserted) {
    object dropped;
    const guard held(chains);
    if (next->where == place::chain) {
      here.remove(*next);
      if (left != nullptr) {
        tasklet* before = left_before ? as_tasklet(left_before.get()) : nullptr;
        left->insert(*next, direction, before != nullptr && before->queue == left ? before : nullptr);
      } else {
        dropped = object::take(next->self());
      }
    }
  }
  return how;
}

PyObject* schedule_next(thread& here, PyObject* value, bool removes_caller) {
  tasklet& from = here.running();
  if (from.where != place::chain && refuse_while_waiting(here)) {
    return nullptr;
  }
  if (here.mates != nullptr) [[unlikely]] {
    if (object error = &from == here.main ? claim_error(here) : object(); error) {
      return explode(here.home, std::move(error));
    }
    take_offered(here, 1);
  }
  tasklet* next = nullptr;
  object kept;
  object before;
  {
    const guard held(chains);
    next = from.next;
    before = object::take(std::exchange(from.value, Py_NewRef(value)));
    if (removes_caller) {
      here.remove(from);
      next = here.current;
    }
    kept = hold(next);
  }
  if (removes_caller) {
    here.drop_later = object::take(from.self());  // the chain's reference
  }
  object result;
  const outcome how = schedule(here, from, next, result);
  if (how == outcome::failed) {
    const guard held(chains);
    before = object::take(std::exchange(from.value, before.release()));
    if (removes_caller) {
      here.insert(*as_tasklet(here.drop_later.release()));
      here.current = &from;
    }
    return nullptr;
  }
  if (how == outcome::stayed) {
    settle(here);
  }
  return result.release();
}

bool may_interrupt_nested(thread& here, tasklet& one) {
  if (one.ignores_nesting || here.has(ignores_nesting)) {
    return true;
  }
  const int level = nesting_level(one);
  if (level < 0) {
    PyErr_Clear();
  }
  return level == 0;
}

bool interrupt(thread& here) {
  if (here.current == nullptr || here.waiting != nullptr) {
    begin_slice(here);
    return true;
  }
  tasklet& one = *here.current;
  if (here.has(soft) || one.is_atomic || here.in_callback || here.switch_traps != 0 || here.interrupted != nullptr ||
      !may_interrupt_nested(here, one)) {
    one.has_interrupt_pending = true;
    postpone(here);
    return true;
  }
  one.has_interrupt_pending = false;
  one.arguments = nullptr;
  Py_INCREF(one.self());
  here.interrupted = &one;
  object result;
  if (schedule(here, one, here.watchdog(true), result) == outcome::failed) {
    if (here.interrupted == &one) {
      here.interrupted = nullptr;
      Py_DECREF(one.self());
    }
    return false;
  }
  return static_cast<bool>(result);
}

namespace {

PyObject* schedule_with(PyObject* module, PyObject* const* args, Py_ssize_t count, PyObject* keywords, const char* call,
                        bool removes_caller) {
  thread* mine = thread::here(layer_of(module));
  if (mine == nullptr) {
    return nullptr;
  }
  PyObject* value = mine->running().self();
  if (count != 0 || keywords != nullptr) {
    arguments<1> parsed(call, {"retval"}, 1, 0);
    if (!parsed.parse(args, count, keywords)) {
      return nullptr;
    }
    value = parsed[0] != nullptr ? parsed[0] : value;
  }
  mine->running().arguments = args;
  return schedule_next(*mine, value, removes_caller);
}

PyObject* schedule_call(PyObject* module, PyObject* const* args, Py_ssize_t count, PyObject* keywords) {
  return schedule_with(module, args, count, keywords, "schedule", false);
}

PyObject* schedule_remove_call(PyObject* module, PyObject* const* args, Py_ssize_t count, PyObject* keywords) {
  return schedule_with(module, args, count, keywords, "schedule_remove", true);
}

}  // namespace

PyMethodDef schedule_functions[] = {
    {"schedule", as_method(schedule_call), METH_FASTCALL | METH_KEYWORDS,
     "schedule(retval=stackless.current)\n--\n\nGoes on with the next runnable tasklet, and returns retval when it is this one's turn "
     "again."},
    {"schedule_remove", as_method(schedule_remove_call), METH_FASTCALL | METH_KEYWORDS,
     "schedule_remove(retval=stackless.current)\n--\n\nDoes what schedule does, and is not runnable any more: until somebody inserts "
     "it."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace martlet::python::stackless
