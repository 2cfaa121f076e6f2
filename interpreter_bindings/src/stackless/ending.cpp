#include "bomb.hpp"
#include "channel.hpp"
#include "crew.hpp"
#include "interpreter_call.hpp"
#include "switch.hpp"
#include "tracing.hpp"

#include <memory>

/// What runs on every fiber: one tasklet after the other, each until it ends.
namespace martlet::python::stackless {
namespace {

// How many stacks a thread keeps for tasklets to come.
constexpr std::size_t most_spares = 64;

// A SystemExit ends the process, as it would without tasklets, when it leaves one of the main thread's; anywhere else it ends the
// tasklet, and TaskletExit does everywhere. Others are for the error handler, and without one for whoever called `run`.
object value_of_end(thread& here, bool has_failed) {
  if (!has_failed) {
    return object::share(Py_None);
  }
  layer& home = here.home;
  if (PyErr_ExceptionMatches(PyExc_SystemExit)) {
    if (&here == home.first && !PyErr_ExceptionMatches(home.tasklet_exit)) {
      object last = bomb_of_error(home);
      reinterpret_cast<bomb*>(last.get())->ends_process = last.get() != home.memory_bomb;
      return last;
    }
    PyErr_Clear();
    return object::share(Py_None);
  }
  if (const object handler = current_hook(home.error_handler); handler) {
    PyObject* type = nullptr;
    PyObject* value = nullptr;
    PyObject* traceback = nullptr;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    const object parts[] = {object::take(type), object::take(value), object::take(traceback)};
    const object answer =
        object::take(PyObject_CallFunctionObjArgs(handler.get(), parts[0].get(), value != nullptr ? value : Py_None,
                                                  traceback != nullptr ? traceback : Py_None, nullptr));
    if (answer) {
      return object::share(Py_None);
    }
  }
  return bomb_of_error(home);
}

// What a tasklet's functions leave in the thread's state.
void clean_state(thread& here) {
  PyThreadState* state = here.state;
  if (is_traced(here)) [[unlikely]] {
    end_tracing(here);
  }
  while (state->exc_state.exc_value != nullptr || state->context != nullptr) {
    const object handled = object::take(std::exchange(state->exc_state.exc_value, nullptr));
    const object context = object::take(std::exchange(state->context, nullptr));
    ++state->context_ver;
  }
}

// Among mates the last runnable tasklet of a thread does not end alone: another one that is offered goes on, and where the main tasklet
// waits in a channel it does so as long as somebody can still come. So does it when the end is that of one which a collector has killed:
// the program has done nothing.
void wait_for_successor(thread& here, tasklet& one, object& value) {
  if (here.mates != nullptr) {
    take_offered(here, 1);
  }
  for (;;) {
    object own;
    {
      const guard held(chains);
      if (one.next != &one || here.watchdog(false)->blocked == 0) {
        return;
      }
      here.remove(one);
      own = object::take(one.self());  // the chain's reference
    }
    const object next = wait_for_others(here, one, &others_can_run);
    {
      const guard held(chains);
      if (one.where == place::nowhere) {
        here.insert(*as_tasklet(own.release()));
      }
      here.current = &one;
    }
    if (!next) {
      value = PyErr_Occurred() != nullptr ? bomb_of_error(here.home) : std::move(value);
      return;
    }
  }
}

// Who goes on when a tasklet has ended: the next one of the chain; when there is none, or when an error has to be told, whoever
// called `run`. It is in the chain then.
tasklet* successor(thread& here, tasklet& one, object& value, object& chosen) {
  layer& home = here.home;
  tasklet* watchdog = here.watchdog(false);
  int blocked = 0;
  {
    const guard held(chains);
    if (one.next == &one) {
      blocked = watchdog->blocked;
    }
  }
  if (blocked != 0 && !is_bomb(home, value.get())) {
    value = runtime_error_bomb(home, blocked < 0 ? "the main tasklet is receiving without a sender available."
                                                 : "the main tasklet is sending without a receiver available.");
  }
  const bool is_told = is_bomb(home, value.get());
  if (is_told) {
    set_value(*watchdog, value.get());
  }
  const guard held(chains);
  here.ran_dry = !is_told && one.next == &one;
  tasklet* next = is_told || here.ran_dry ? watchdog : one.next;
  here.make_runnable(*next);
  chosen = hold(next);
  return next;
}

// Takes a tasklet that has ended out of the chain, and makes the next one the current one.
//
// Returns false, and has done nothing, when another thread has taken that one away.
bool leave_chain(thread& here, tasklet& one, tasklet& next) noexcept {
  const guard held(chains);
  if (next.where != place::chain || next.home != &here || &next == &one) {
    return false;
  }
  here.remove(one);
  here.unlink_started(one);
  one.what = stage::none;
  one.stack = nullptr;
  here.current = &next;
  return true;
}

// The last act of a tasklet on its stack: goes on with another one, and comes back with a new one to run, or none when the fiber
// has to end.
void end_tasklet(thread& here, fiber& mine, bool has_failed) {
  tasklet& one = *mine.runs;
  object value = value_of_end(here, has_failed);
  clean_state(here);
  Py_CLEAR(one.args);
  Py_CLEAR(one.kwargs);
  Py_CLEAR(one.function);
  one.end_time = now();
  set_value(one, Py_None);
  if ((here.mates != nullptr || one.is_zombie) && !is_bomb(here.home, value.get())) [[unlikely]] {
    wait_for_successor(here, one, value);
  }
  tasklet* next = nullptr;
  object chosen;
  do {
    chosen = {};
    next = successor(here, one, value, chosen);
    value = {};
    if (one.has_interrupt_pending && here.has(soft)) [[unlikely]] {
      next = interrupt_softly(here, one, next, std::exchange(here.keeps_order, false));
    }
    if (prepare(here, one, next) == nullptr) {
      PyErr_WriteUnraisable(one.self());
    }
    clean_state(here);  // again: the schedule callback's
  } while (!leave_chain(here, one, *next));  // from now on it cannot be taken away
  chosen = {};
  ++next->times_switched_to;
  here.drop_later = object::take(one.self());  // the chain's reference
  mine.runs = nullptr;
  if (next->what == stage::bound) {
    adopt(here, *next, mine);
    mine.state.load(here.state);
    return;
  }
  fiber& other = *next->stack;
  other.state.load(here.state);
  if (here.spare_count < most_spares) {
    keep_spare(here, mine);
    jump(here, mine, other);
  } else {
    here.target = &other;
    finish(mine);
  }
}

bool run_tasklet(thread& here, tasklet& one) {
  object value;
  {
    const guard held(chains);
    value = claim_value(one);
  }
  settle(here);
  if (one.traced != nullptr) [[unlikely]] {
    enter_tracing(here, one);
  }
  const object given = object::take(explode(here.home, std::move(value)));
  if (!given) {
    return false;
  }
  interpreter_call running;
  const object result = object::take(PyObject_Call(one.function, one.args, one.kwargs));
  running.has_returned();
  return static_cast<bool>(result);
}

}  // namespace

void run_fiber(void* self) {
  auto& mine = *static_cast<fiber*>(self);
  thread& here = *mine.home;
  while (mine.runs != nullptr) {
    end_tasklet(here, mine, !run_tasklet(here, *mine.runs));
  }
  finish(mine);
}

void thread::free_spares() noexcept {
  while (spares != nullptr) {
    fiber* one = std::exchange(spares, spares->next_spare);
    --spare_count;
    target = &own;
    one->flow.resume(carrier);  // it finds that it has nothing to run, and ends
  }
}

}  // namespace martlet::python::stackless
