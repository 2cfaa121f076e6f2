#include "thread.hpp"

#include "../arguments.hpp"
#include "channel.hpp"
#include "crew.hpp"
#include "frames.hpp"
#include "schedule.hpp"
#include "tasklet.hpp"
#include "watchdog.hpp"

#include <algorithm>
#include <memory>
#include <new>

#include <sys/syscall.h>
#include <unistd.h>
#include <martlet/base/fork.hpp>
#include <martlet/base/thread_value.hpp>

namespace martlet::python::stackless {
namespace {

const base::thread_value& records() noexcept {
  static const base::thread_value value;
  return value;
}

#ifdef Py_GIL_DISABLED
// What the chains of other threads were doing is whole in a child: its own thread goes on, theirs are gone.
constinit base::fork_hook chains_hook{.order = 45,
                                      .before = []() noexcept { chains.lock(); },
                                      .in_parent = []() noexcept { chains.unlock(); },
                                      .in_child = []() noexcept { chains.unlock(); }};
#endif

constexpr const char* capsule_name = "martlet.stackless.thread";

bool is_main_thread() noexcept {
  return ::getpid() == ::syscall(SYS_gettid) && PyInterpreterState_Get() == PyInterpreterState_Main();
}

bool is_finalizing() noexcept {
#if PY_VERSION_HEX >= 0x030D0000
  return Py_IsFinalizing() != 0;
#else
  return _Py_IsFinalizing() != 0;
#endif
}

void unlink_record(thread& one) noexcept {
  leave_crew(one);
  for (thread** place = &one.home.threads; *place != nullptr; place = &(*place)->next) {
    if (*place == &one) {
      *place = one.next;
      break;
    }
  }
  if (one.home.first == &one) {
    one.home.first = nullptr;
  }
}

// The thread cannot run anything any more: it ended in the parent of a fork, or the interpreter is about to go.
void abandon(thread& one) noexcept {
  {
    const guard held(chains);
    unlink_record(one);
    one.is_over = true;
  }
  one.let_go();
}

// Called by the interpreter when it clears the thread's state, on that very thread where it ends by itself.
void end_thread(PyObject* capsule) {
  auto& mine = *static_cast<thread*>(PyCapsule_GetPointer(capsule, capsule_name));
  if (mine.os_thread != base::this_thread() || PyThreadState_Get() != mine.state || is_finalizing()) {
    abandon(mine);
    return;
  }
  const error_set_aside error;
  mine.end();
}

thread* refuse_worker() {
  PyErr_SetString(PyExc_RuntimeError,
                  "martlet.stackless: this thread runs tasklets of martlet.run, whose stack it would leave; use "
                  "martlet's own channels and tasklets here, or a thread of its own (martlet.blocking)");
  return nullptr;
}

thread* make_record(layer& home, PyThreadState* state) {
  if (!can_switch_thread_state) {
    PyErr_SetString(PyExc_RuntimeError, "martlet.stackless: this version of Python is not known to it");
    return nullptr;
  }
#ifdef Py_GIL_DISABLED
  base::register_fork_hook(chains_hook);
#endif
  PyObject* dict = PyThreadState_GetDict();
  std::unique_ptr<thread> made(dict == nullptr ? nullptr : new (std::nothrow) thread(home, state));
  if (made == nullptr || !records().is_there() || !records().set(made.get())) {
    PyErr_NoMemory();
    return nullptr;
  }
  tasklet* main = new_tasklet(home.tasklet_type, *made);
  if (main == nullptr) {
    records().set(nullptr);
    return nullptr;
  }
  main->what = stage::started;
  main->stack = &made->own;
  made->own.home = made.get();
  made->own.runs = main;
  made->main = main;
  made->insert(*main);
  Py_INCREF(main->self());  // of the chain
  const object capsule = object::take(PyCapsule_New(made.get(), capsule_name, &end_thread));
  thread* mine = made.release();
  if (!capsule) {
    abandon(*mine);
    return nullptr;
  }
  if (PyDict_SetItemString(dict, capsule_name, capsule.get()) < 0) {  // else the capsule's end is the record's
    return nullptr;
  }
  const guard held(chains);
  mine->next = home.threads;
  home.threads = mine;
  if (is_main_thread()) {
    home.first = mine;
  }
  return mine;
}

}  // namespace

thread::thread(layer& of, PyThreadState* its_state) noexcept
    : home(of),
      state(its_state),
      os_thread(base::this_thread()),
      id(PyThread_get_thread_ident()),
      pickle_flags(of.pickle_flags) {
  Py_INCREF(home.module);  // the layer lies in it
}

thread* thread::here(layer& home) {
  PyThreadState* state = PyThreadState_Get();
  auto* mine = static_cast<thread*>(records().get());
  if (detail::current_host() != nullptr) [[unlikely]] {
    return refuse_worker();
  }
  if (mine != nullptr && mine->state == state && &mine->home == &home && !mine->is_over) [[likely]] {
    if (!mine->orphans.empty()) [[unlikely]] {
      mine->kill_orphans();
    }
    return mine;
  }
  if (const thread_reference found = find_thread(home, PyThread_get_thread_ident());
      found && found->state == state && found->os_thread == base::this_thread()) {
    records().set(&*found);  // the thread has been in another interpreter
    return &*found;
  }
  mine = make_record(home, state);
  if (mine != nullptr) {
    notify_schedule(*mine, nullptr, mine->main);
  }
  return mine;
}

thread* thread::of(PyThreadState* state) noexcept {
  auto* mine = static_cast<thread*>(records().get());
  return mine != nullptr && mine->state == state && !mine->is_over ? mine : nullptr;
}

void thread::insert(tasklet& one) noexcept { insert_before(one, current); }

// `current` stays what it is throughout: the thread itself looks at it without the lock.
void thread::insert_second(tasklet& one) noexcept { insert_before(one, current == nullptr ? nullptr : current->next); }

void thread::insert_before(tasklet& one, tasklet* other) noexcept {
  if (other == nullptr) {
    one.next = one.prev = &one;
    current = &one;
  } else {
    one.next = other;
    one.prev = other->prev;
    one.prev->next = &one;
    one.next->prev = &one;
  }
  one.where = place::chain;
  ++runnable;
}

void thread::remove(tasklet& one) noexcept {
  if (one.next == &one) {
    current = nullptr;
  } else {
    one.prev->next = one.next;
    one.next->prev = one.prev;
    if (current == &one) {
      current = one.next;
    }
  }
  one.next = one.prev = nullptr;
  one.where = place::nowhere;
  --runnable;
}

void thread::make_runnable(tasklet& one) noexcept {
  if (one.where == place::channel) {
    one.queue->remove(one);  // the queue's reference is the chain's now
    insert(one);
  } else if (one.where == place::nowhere) {
    Py_INCREF(one.self());
    insert(one);
  }
}

void thread::wake() noexcept {
  if (is_blocked) {
    is_blocked = false;
    bell.fetch_add(1, base::release);
    base::futex_wake(bell);
  }
}

tasklet* thread::watchdog(bool for_interrupt) const noexcept {
  if (runs.empty()) {
    return main;
  }
  if (for_interrupt) {
    return timed_run != nullptr ? timed_run : main;
  }
  return runs.back();
}

void thread::keep() noexcept {
#ifdef Py_GIL_DISABLED
  references_.fetch_add(1, base::relaxed);
#else
  references_.store(references_.load(base::relaxed) + 1, base::relaxed);  // the global lock is held
#endif
}

void thread::let_go() noexcept {
#ifdef Py_GIL_DISABLED
  const std::size_t before = references_.fetch_sub(1, base::acq_rel);
#else
  const std::size_t before = references_.load(base::relaxed);
  references_.store(before - 1, base::relaxed);
#endif
  if (before == 1) {
    const object module = object::take(home.module);
    delete this;
  }
}

// Tasklets that have started are killed, in the order in which they did; what runs besides runs for the last time. Those that
// survive have no thread from now on, and keep their stacks.
void thread::end() {
  kill_orphans();
  if (mates != nullptr && &mates->owner == this) {
    disband(*this);
  }
  kill_started();
  free_spares();
  std::vector<object> dropped;
  {
    const guard held(chains);
    while (current != nullptr) {
      tasklet& one = *current;
      remove(one);
      dropped.push_back(object::take(one.self()));
    }
    for (tasklet* one : runs) {
      dropped.push_back(object::take(one->self()));
    }
    runs.clear();
    while (started != nullptr) {
      unlink_started(*started);
    }
    main->what = stage::none;
    main->stack = nullptr;
    dropped.push_back(object::take(std::exchange(main, nullptr)->self()));
    unlink_record(*this);
    is_over = true;
    for (thread* other = home.threads; other != nullptr; other = other->next) {
      other->wake();  // there may be nobody left who could give it work
    }
  }
  records().set(nullptr);
  dropped.clear();
  let_go();
}

void thread::kill_orphans() {
  const error_set_aside error;
  for (const object& each : std::exchange(orphans, {})) {
    Py_XDECREF(kill(*as_tasklet(each.get()), false));
    PyErr_Clear();
  }
}

void thread::kill_started() {
  for (int tries = 0; tries < 10 && started != nullptr; ++tries) {
    std::vector<object> all;
    {
      const guard held(chains);
      for (tasklet* one = started; one != nullptr; one = one->next_started) {
        all.push_back(object::share(one->self()));
      }
    }
    for (const object& each : all) {
      tasklet& one = *as_tasklet(each.get());
      object from_chain;
      {
        const guard held(chains);
        if (one.what != stage::started || one.home != this || &one == current) {
          continue;
        }
        if (one.where == place::chain) {
          remove(one);
          from_chain = object::take(one.self());
        }
      }
      Py_XDECREF(kill(one, false));
      PyErr_Clear();
    }
  }
}

void thread::link_started(tasklet& one) noexcept {
  tasklet** end = &started;
  one.previous_started = last_started;
  one.next_started = nullptr;
  if (last_started != nullptr) {
    end = &last_started->next_started;
  }
  *end = &one;
  last_started = &one;
}

void thread::unlink_started(tasklet& one) noexcept {
  (one.previous_started != nullptr ? one.previous_started->next_started : started) = one.next_started;
  (one.next_started != nullptr ? one.next_started->previous_started : last_started) = one.previous_started;
  one.next_started = one.previous_started = nullptr;
}

}  // namespace martlet::python::stackless
