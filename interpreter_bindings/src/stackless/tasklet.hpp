#pragma once

#include "thread.hpp"

#include <cstdint>

namespace martlet::python::stackless {

struct channel;
struct tracing;

/// Where a tasklet is linked by `next` and `prev`.
enum class place : std::uint8_t {
  nowhere,
  chain,    // of its thread
  channel,  // in the queue of one, that it is blocked on
  offers,   // of a crew (crew.hpp)
};

/// What a tasklet has of a function.
enum class stage : std::uint8_t {
  none,     // nothing: dead, or bound to a function without arguments
  bound,    // a function and its arguments, and has not started
  started,  // a stack
};

/// `stackless.tasklet`: a function that runs when its turn comes, on a stack of its own.
///
/// All fields but the counts are under the lock when another thread may see the tasklet.
struct tasklet {
  PyObject_HEAD tasklet* next;
  tasklet* prev;
  channel* queue;         // where it is blocked; borrowed: the queue owns it, and whoever waits there owns the channel
  glimpse<thread*> home;  // owned; see `thread_of`
  PyObject* value;        // tempval: what it is given when it goes on
  PyObject* function;
  PyObject* args;
  PyObject* kwargs;
  PyObject* context;  // contextvars, while it has not started
  fiber* stack;       // while it is started; the main tasklet's is the thread's own
  tracing* traced;    // its trace and profile functions, when it is not current and has any
  tasklet* next_started;
  tasklet* previous_started;
  PyObject* const* arguments;  // of the call that it waits in: there the interpreter's value stack ends
  channel* waits_for;          // owned, while it waits in a channel's call
  PyObject* weak_references;
  PyCodeObject* made_by;  // the code that has made it, and where
  int made_at;
  stage what;
  glimpse<place> where;
  glimpse<std::int8_t> blocked;  // 1 sending, -1 receiving
  bool is_atomic;
  bool ignores_nesting;
  bool block_trap;
  bool
      may_spread;  // while it has not started, to any thread: it has a context of its own, and bind_thread has not named a thread
  bool is_zombie;
  bool has_interrupt_pending;
  bool was_switched_hard;  // away, with enable_softswitch(False)
  std::uint64_t times_switched_to;
  std::int64_t start_time;  // nanoseconds since the epoch; 0: not yet
  std::int64_t end_time;

  PyObject* self() noexcept { return reinterpret_cast<PyObject*>(this); }
};

inline tasklet* as_tasklet(PyObject* one) noexcept { return reinterpret_cast<tasklet*>(one); }

inline bool is_tasklet(layer& home, PyObject* one) noexcept { return PyObject_TypeCheck(one, home.tasklet_type) != 0; }

/// Returns   its thread; null when that has ended.
inline thread* thread_of(const tasklet& one) noexcept {
  thread* its = one.home;
  return its->is_over ? nullptr : its;
}

/// Returns   whether it is the one that calls on its thread, whose state the thread has.
inline bool is_current(const tasklet& one) noexcept {
  const thread* its = thread_of(one);
  return its != nullptr && (its->waiting != nullptr ? its->waiting : its->current) == &one;
}

inline bool is_alive(const tasklet& one) noexcept {
  return thread_of(one) != nullptr && (is_current(one) || one.what != stage::none);
}

inline bool is_scheduled(const tasklet& one) noexcept { return one.where != place::nowhere; }

inline bool is_paused(const tasklet& one) noexcept { return is_alive(one) && !is_scheduled(one); }

inline bool is_main(const tasklet& one) noexcept {
  const thread* its = thread_of(one);
  return its != nullptr && its->main == &one;
}

/// Returns   how many C functions that are not the interpreter's own lie between its Python frames.
int nesting_level(tasklet& one);

/// Returns   how many Python frames it has.
int recursion_depth(tasklet& one);

/// Returns   its innermost frame, null for none (also with an exception set).
object frame_of(tasklet& one);

// What the methods do. Those that return bool or int set an exception when that is false or -1.
tasklet* new_tasklet(PyTypeObject* type, thread& its);
bool bind(tasklet& one, PyObject* function, PyObject* args, PyObject* kwargs);
bool set_up(tasklet& one, PyObject* args, PyObject* kwargs, bool inserts);
bool insert(tasklet& one);
bool remove(tasklet& one);
PyObject* run_or_switch(tasklet& one, bool removes_caller);
PyObject* throw_into(tasklet& one, object bomb, bool is_pending);
PyObject* kill(tasklet& one, bool is_pending);
bool bind_thread(tasklet& one, thread& there);
int set_atomic(tasklet& one, bool flag);
int set_ignore_nesting(tasklet& one, bool flag);

/// Keeps a tasklet that is about to go on until it does: another thread may take it out of the chain meanwhile, which with the global
/// lock none can. Under the lock.
inline object hold(tasklet* one) noexcept {
#ifdef Py_GIL_DISABLED
  return object::share(one != nullptr ? one->self() : nullptr);
#else
  static_cast<void>(one);
  return {};
#endif
}

/// Returns   the time as `start_time` and `end_time` have it.
std::int64_t now() noexcept;

/// Gives a tasklet another value. Dropping the old one may run anything.
void set_value(tasklet& one, PyObject* borrowed) noexcept;

/// Takes a tasklet's value and leaves None. Under the lock.
inline object claim_value(tasklet& one) noexcept { return object::take(std::exchange(one.value, Py_NewRef(Py_None))); }

}  // namespace martlet::python::stackless
