#include "schedule.hpp"

#include "../arguments.hpp"
#include "bomb.hpp"
#include "channel.hpp"
#include "frames.hpp"
#include "tracing.hpp"
#include "watchdog.hpp"

#include <exception>
#include <memory>
#include <new>
#include <system_error>

#include <time.h>
#include <unistd.h>
#include <martlet/base/clock.hpp>

namespace martlet::python::stackless {
namespace {

// How many stacks a thread keeps for tasklets to come.
constexpr std::size_t most_spares = 64;

// How often a thread that has nothing to do looks whether somebody can still give it some, and whether signals have arrived.
constexpr auto nap = std::chrono::milliseconds(50);

std::int64_t now() noexcept {
  timespec at{};
  clock_gettime(CLOCK_REALTIME, &at);
  return std::int64_t{at.tv_sec} * 1'000'000'000 + at.tv_nsec;
}

void nothing(void*) {}

// Stands around a call into the interpreter. Before 3.14 that ends a daemon thread which comes back to it when the process ends, by
// unwinding the thread's stack: which ends at a fiber's first function, and on the way references would be dropped. The thread
// stands still here instead, as it does from 3.14 on.
class interpreter_call {
 public:
  interpreter_call() noexcept = default;
  interpreter_call(const interpreter_call&) = delete;
  interpreter_call& operator=(const interpreter_call&) = delete;
  ~interpreter_call() {
    while (!has_returned_ && std::uncaught_exceptions() == errors_) {  // no error, and yet it is left
      ::pause();
    }
  }

  void has_returned() noexcept { has_returned_ = true; }

 private:
  int errors_ = std::uncaught_exceptions();
  bool has_returned_ = false;
};

void give_back(void* self) {
  auto* mine = static_cast<fiber*>(self);
  const detail::stack memory = mine->memory;
  std::destroy_at(mine);  // it lies there
  detail::stacks().give_back(memory);
}

// Has a tasklet that has not started run on a fiber that runs nothing.
void adopt(thread& here, tasklet& one, fiber& on) noexcept {
  PyObject* context = nullptr;
  {
    const guard held(chains);
    one.stack = &on;
    one.what = stage::started;
    here.link_started(one);
    context = std::exchange(one.context, nullptr);
  }
  on.runs = &one;
  on.state = saved_thread_state{};
  on.state.begin(here.state, on.c_stack(), on.first_data, context);
  one.start_time = now();
}

void keep_spare(thread& here, fiber& one) noexcept {
  one.next_spare = here.spares;
  here.spares = &one;
  ++here.spare_count;
}

// Returns a fiber that runs nothing, null with an exception set.
fiber* take_fiber(thread& here) {
  if (here.spares != nullptr) {
    --here.spare_count;
    return std::exchange(here.spares, here.spares->next_spare);
  }
  try {
    return fiber::make(here);
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::system_error& error) {
    PyErr_Format(PyExc_MemoryError, "martlet.stackless: there is no stack for another tasklet: %s", error.what());
  }
  return nullptr;
}

// Leaves the stack of `mine`, for that of `other`, whose thread state is loaded; returns when somebody comes back.
void jump(thread& here, fiber& mine, fiber& other) noexcept {
  here.target = &other;
  if (&mine == &here.own) {
    here.carrier.note_control_bits();
    do {
      here.target->flow.resume(here.carrier);
    } while (here.target != &here.own);  // one that ends for good comes here on its way to the next
  } else if (&other == &here.own) {
    mine.flow.suspend();
  } else {
    mine.flow.begin_hand_over();
    mine.flow.hand_over(other.flow, &nothing, nullptr);
  }
}

// Drops what had to live until the switch was over. That may run anything, and switch.
void settle(thread& here) noexcept {
  if (here.drop_later) {
    const object dropped = std::move(here.drop_later);
  }
}

// A soft interrupt takes place where the current tasklet switches by itself: whoever called `run` goes on, before the one that
// would have.
tasklet* interrupt_softly(thread& here, tasklet& from, tasklet* next, bool keeps_order) {
  tasklet* watchdog = here.watchdog(true);
  from.has_interrupt_pending = false;
  if (is_scheduled(*watchdog) || &from == watchdog || next == watchdog) {
    return next;
  }
  if (keeps_order || !may_interrupt_nested(here, from)) {
    next->has_interrupt_pending = true;
    return next;
  }
  {
    const guard held(chains);
    if (is_scheduled(*watchdog)) {  // another thread was quicker
      return next;
    }
    Py_INCREF(watchdog->self());
    here.insert_before(*watchdog, next);
  }
  Py_INCREF(next->self());
  here.interrupted = next;
  return watchdog;
}

// The last steps before a switch, in which Python may run: tells the callback, and makes the next tasklet able to go on.
//
// Returns the one that goes on, null with an exception set.
tasklet* prepare(thread& here, tasklet& from, tasklet* next) {
  if (here.home.schedule_hook != nullptr) [[unlikely]] {
    const object kept = object::share(next->self());
    notify_schedule(here, &from, next);
    const guard held(chains);
    if (next->where == place::nowhere && next->what != stage::none) {  // the callback has taken it out
      Py_INCREF(next->self());
      here.insert(*next);
    }
    if (next->where != place::chain || next->home != &here) {
      PyErr_SetString(PyExc_RuntimeError, "the schedule callback has taken the next tasklet away");
      return nullptr;
    }
  }
  if (here.is_timed && !here.has(total_timeout)) [[unlikely]] {
    begin_slice(here);
  }
  return next;
}

// Marks the time in which the thread has no current tasklet: Python that runs meanwhile finds the one that waits.
class waiting {
 public:
  waiting(thread& here, tasklet& who) noexcept : here_(here) { here.waiting = &who; }
  waiting(const waiting&) = delete;
  waiting& operator=(const waiting&) = delete;
  ~waiting() { here_.waiting = nullptr; }

 private:
  thread& here_;
};

// Makes the next tasklet the current one, whatever another thread has done to it meanwhile: if that has taken it out of the chain, it
// was a moment too late.
//
// Takes the fiber of one that has not started. Returns false with an exception set.
bool make_current(thread& here, tasklet& next, fiber* fresh) {
  bool is_there = false;
  {
    const guard held(chains);
    is_there = next.home == &here && next.what == (fresh != nullptr ? stage::bound : stage::started);
    if (is_there) {
      if (next.where == place::nowhere) {
        Py_INCREF(next.self());
        here.insert(next);
      }
      here.current = &next;
    }
  }
  if (!is_there) {
    if (fresh != nullptr) {
      keep_spare(here, *fresh);
    }
    PyErr_SetString(PyExc_RuntimeError, "martlet.stackless: another thread has taken the next tasklet away");
    return false;
  }
  if (fresh != nullptr) {
    adopt(here, next, *fresh);
  }
  ++next.times_switched_to;
  return true;
}

outcome switch_to(thread& here, tasklet& from, tasklet* next, object& result) {
  const bool keeps_order = std::exchange(here.keeps_order, false);
  if (from.has_interrupt_pending && here.has(soft)) [[unlikely]] {
    next = interrupt_softly(here, from, next, keeps_order);
  }
  if (next == &from) {
    object value;
    {
      const guard held(chains);
      value = claim_value(from);
    }
    result = object::take(explode(here.home, std::move(value)));
    return outcome::stayed;
  }
  next = prepare(here, from, next);
  if (next == nullptr) {
    return outcome::failed;
  }
  fiber* fresh = nullptr;
  if (next->what == stage::bound) {
    fresh = take_fiber(here);
    if (fresh == nullptr) {
      return outcome::failed;
    }
  }
  from.was_switched_hard = !here.home.switches_softly;
  if (is_traced(here)) [[unlikely]] {
    const waiting mark(here, from);
    leave_tracing(here, from);
  }
  fiber& mine = *from.stack;
  mine.state.release_locks(here.state);
  if (!make_current(here, *next, fresh)) {
    mine.state.take_locks_back(here.state);
    if (from.traced != nullptr) {
      const error_set_aside error;
      enter_tracing(here, from);
    }
    return outcome::failed;
  }
  fiber& other = *next->stack;
  mine.state.save(here.state);
  other.state.load(here.state);
  jump(here, mine, other);
  mine.state.take_locks_back(here.state);
  if (from.traced != nullptr) [[unlikely]] {
    enter_tracing(here, from);
  }
  object value;
  {
    const guard held(chains);
    value = claim_value(from);
  }
  settle(here);
  result = object::take(explode(here.home, std::move(value)));
  return outcome::switched;
}

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
  if (next.where == place::channel) {
    next.queue->remove(next);
    there->insert(next);
  } else if (next.where == place::nowhere) {
    Py_INCREF(next.self());
    there->insert(next);
  }
  there->wake();
  return how;
}

// Sleeps until another thread has made a tasklet runnable here, for a moment at most.
//
// Returns false with an exception set: a signal's handler has raised it.
bool sleep(thread& here, std::uint32_t heard) {
  here.is_idle = true;
  const base::instant until = base::after(base::now(), nap);
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

// Waits for another thread to make a tasklet runnable here.
//
// Returns that one; `from` itself with a bomb as its value when a signal ends the wait; null when nobody can, or with an
// exception set.
object wait_for_others(thread& here, tasklet& from) {
  const waiting mark(here, from);
  for (;;) {
    const std::uint32_t heard = here.bell.load(base::acquire);
    bool there_are = false;
    if (here.current == nullptr && !others_can_run(here, there_are)) {
      return {};
    }
    if (here.current == nullptr) {
      if (!there_are) {
        return {};
      }
      if (!sleep(here, heard)) {
        const object bomb = bomb_of_error(here.home);
        set_value(from, bomb.get());
        return object::share(from.self());
      }
    }
    const guard held(chains);
    here.is_blocked = false;
    if (here.current != nullptr) {
      return object::share(here.current->self());
    }
  }
}

// Nothing is runnable.
outcome schedule_blocked(thread& here, tasklet& from, object& result) {
  if (refuse_while_waiting(here)) {
    return outcome::failed;
  }
  tasklet* watchdog = here.watchdog(false);
  bool is_revived = !here.has(thread_blocks) && watchdog->where == place::nowhere;
  if (!is_revived) {
    if (const object next = wait_for_others(here, from); next) {
      return schedule(here, from, as_tasklet(next.get()), result);
    }
    if (PyErr_Occurred() != nullptr) {
      return outcome::failed;
    }
    watchdog = here.watchdog(false);
    is_revived = &here == here.home.first && watchdog->where == place::nowhere;
  }
  if (is_revived) {
    object old;
    if (watchdog != &from && is_bomb(here.home, from.value)) {  // nothing else is passed on
      const guard held(chains);
      old = object::take(std::exchange(watchdog->value, Py_NewRef(from.value)));
    }
    return schedule(here, from, watchdog, result);
  }
  const waiting mark(here, from);
  const object bomb = runtime_error_bomb(here.home, "Deadlock: the last runnable tasklet cannot be blocked.");
  set_value(from, bomb.get());
  return schedule(here, from, &from, result);
}

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

// Who goes on when a tasklet has ended: the next one of the chain; when there is none, or when an error has to be told, whoever
// called `run`. It is in the chain then.
tasklet* successor(thread& here, tasklet& one, object& value, object& chosen) {
  layer& home = here.home;
  tasklet* watchdog = here.watchdog(false);
  if (one.next == &one && watchdog->blocked != 0 && !is_bomb(home, value.get())) {
    value =
        runtime_error_bomb(home, watchdog->blocked < 0 ? "the main tasklet is receiving without a sender available."
                                                       : "the main tasklet is sending without a receiver available.");
  }
  const bool is_told = is_bomb(home, value.get());
  if (is_told) {
    set_value(*watchdog, value.get());
  }
  const guard held(chains);
  tasklet* next = is_told || one.next == &one ? watchdog : one.next;
  if (next->where == place::channel) {
    next->queue->remove(*next);
    here.insert(*next);
  } else if (next->where == place::nowhere) {
    Py_INCREF(next->self());
    here.insert(*next);
  }
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
    mine.flow.finish(&give_back, &mine);
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
  mine.flow.finish(&give_back, &mine);
}

void thread::free_spares() noexcept {
  while (spares != nullptr) {
    fiber* one = std::exchange(spares, spares->next_spare);
    --spare_count;
    target = &own;
    one->flow.resume(carrier);  // it finds that it has nothing to run, and ends
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
  tasklet* left_before = nullptr;
  int direction = 0;
  bool is_inserted = false;
  if (next->where != place::chain) {
    const guard held(chains);
    is_inserted = next->where != place::chain;  // unless another thread was quicker
    if (next->where == place::channel) {
      left = next->queue;
      left_before = next->next;
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
        left->insert(*next, direction, left_before);
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
