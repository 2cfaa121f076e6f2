#include "thread.hpp"

#include "../arguments.hpp"
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
  for (int tries = 0; tries < 10 && started != nullptr; ++tries) {
    kill_started();
  }
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

namespace {

// Returns the threads that have Python frames, with these, newest first; null with an exception set.
object current_frames() {
  PyObject* ask = PySys_GetObject("_current_frames");
  if (ask == nullptr) {
    PyErr_SetString(PyExc_RuntimeError, "sys has no _current_frames any more");
    return {};
  }
  return object::take(PyObject_CallNoArgs(ask));
}

// Whether a thread only lends itself to an isolated worker (martlet/_isolated.py), whose interpreter has no channel of this one's.
bool is_lent([[maybe_unused]] PyObject* frame) noexcept {
#if PY_VERSION_HEX >= 0x030E0000 && !defined(Py_GIL_DISABLED)
  object outermost = object::share(frame);
  for (;;) {
    auto* one = reinterpret_cast<PyFrameObject*>(outermost.get());
    object back = object::take(reinterpret_cast<PyObject*>(PyFrame_GetBack(one)));
    if (!back) {
      const object globals = object::take(PyFrame_GetGlobals(one));
      PyObject* name = PyDict_GetItemString(globals.get(), "__name__");
      return name != nullptr && PyUnicode_Check(name) &&
             PyUnicode_CompareWithASCIIString(name, "martlet._isolated") == 0;
    }
    outermost = std::move(back);
  }
#else
  return false;
#endif
}

// Reads a thread's identifier; what Stackless takes too: none for the calling thread.
bool read_thread_id(PyObject* given, unsigned long& id) {
  int overflow = 0;
  if (PyLong_AsLongAndOverflow(given, &overflow) == -1 && overflow == 0) {
    if (PyErr_Occurred() != nullptr) {
      return false;
    }
    id = static_cast<unsigned long>(-1);
    return true;
  }
  id = PyLong_AsUnsignedLong(given);
  return PyErr_Occurred() == nullptr;
}

PyObject* get_threads(PyObject*, PyObject*) {
  const object frames = current_frames();
  PyObject* ids = frames ? PySequence_List(frames.get()) : nullptr;
  if (ids != nullptr && PyList_Reverse(ids) < 0) {
    Py_CLEAR(ids);
  }
  return ids;
}

// Returns the main tasklet, the current one and how many are runnable; with bit 31 of the flags also those in `run`, as Stackless's
// own tests ask for.
PyObject* info_of(const thread& there, unsigned long flags) {
  object main;
  object current;
  int runnable = 0;
  std::vector<object> watchdogs;
  {
    const guard held(chains);
    main = object::share(there.main != nullptr ? there.main->self() : Py_None);
    current = object::share(there.current != nullptr ? there.current->self() : Py_None);
    runnable = there.runnable;
    watchdogs.push_back(object::share(there.timed_run != nullptr ? there.timed_run->self() : Py_None));
    for (tasklet* one : there.runs) {
      watchdogs.push_back(object::share(one->self()));
    }
  }
  if ((flags & 1UL << 31U) == 0) {
    return Py_BuildValue("(OOi)", main.get(), current.get(), runnable);
  }
  const object list = object::take(list_of(std::move(watchdogs)));
  return list ? Py_BuildValue("(OOiO)", main.get(), current.get(), runnable, list.get()) : nullptr;
}

PyObject* get_thread_info(PyObject* module, PyObject* args) {
  layer& home = layer_of(module);
  PyObject* given = nullptr;
  unsigned long flags = 0;
  unsigned long id = static_cast<unsigned long>(-1);
  if (!PyArg_ParseTuple(args, "|O!k:get_thread_info", &PyLong_Type, &given, &flags) ||
      (given != nullptr && !read_thread_id(given, id))) {
    return nullptr;
  }
  if (id == static_cast<unsigned long>(-1) || id == PyThread_get_thread_ident()) {
    const thread* mine = thread::here(home);
    return mine != nullptr ? info_of(*mine, flags) : nullptr;
  }
  if (const thread_reference there = find_thread(home, id); there) {
    return info_of(*there, flags);
  }
  const object frames = current_frames();
  const int is_known = frames ? PyDict_Contains(frames.get(), given) : -1;
  if (is_known == 0) {
    PyErr_SetString(PyExc_RuntimeError, "Thread id not found");
  }
  return is_known > 0 ? Py_BuildValue("(OOi)", Py_None, Py_None, 0) : nullptr;  // it has not used the module
}

PyObject* get_main(PyObject* module, PyObject*) {
  thread* mine = thread::here(layer_of(module));
  return mine != nullptr ? Py_NewRef(mine->main->self()) : nullptr;
}

PyObject* get_current(PyObject* module, PyObject*) {
  thread* mine = thread::here(layer_of(module));
  return mine != nullptr ? Py_NewRef(mine->running().self()) : nullptr;
}

PyObject* get_current_id(PyObject* module, PyObject*) {
  thread* mine = thread::here(layer_of(module));
  if (mine == nullptr) {
    return nullptr;
  }
  if (&mine->running() == mine->main) {
    return PyLong_FromUnsignedLong(mine->id);
  }
  const auto address = reinterpret_cast<std::uintptr_t>(&mine->running());
  return PyLong_FromUnsignedLong(address ^ address >> 32U);
}

PyObject* get_run_count(PyObject* module, PyObject*) {
  thread* mine = thread::here(layer_of(module));
  if (mine == nullptr) {
    return nullptr;
  }
  const guard held(chains);
  return PyLong_FromLong(mine->runnable);
}

// Counts what the ring holds, which is what getruncount says.
PyObject* calculate_run_count(PyObject* module, PyObject*) {
  thread* mine = thread::here(layer_of(module));
  if (mine == nullptr) {
    return nullptr;
  }
  long count = 0;
  {
    const guard held(chains);
    for (const tasklet* one = mine->current; one != nullptr; one = one->next == mine->current ? nullptr : one->next) {
      ++count;
    }
  }
  return PyLong_FromLong(count);
}

PyObject* get_uncollectables(PyObject* module, PyObject*) {
  std::vector<object> all;
  {
    const guard held(chains);
    for (const thread* each = layer_of(module).threads; each != nullptr; each = each->next) {
      for (tasklet* one = each->started; one != nullptr; one = one->next_started) {
        all.push_back(object::share(one->self()));
      }
    }
  }
  return list_of(std::move(all));
}

PyObject* change_switch_trap(PyObject* module, PyObject* args) {
  int change = 0;
  if (!PyArg_ParseTuple(args, "|i:switch_trap", &change)) {
    return nullptr;
  }
  thread* mine = thread::here(layer_of(module));
  if (mine == nullptr) {
    return nullptr;
  }
  return PyLong_FromLong(std::exchange(mine->switch_traps, mine->switch_traps + change));
}

PyObject* count_tasklets(PyObject* module, PyObject*) {
  const guard held(chains);
  return PyLong_FromLong(layer_of(module).made);
}

PyObject* count_active_tasklets(PyObject* module, PyObject*) {
  const guard held(chains);
  return PyLong_FromLong(layer_of(module).alive);
}

PyObject* end_at_exit(PyObject* module, PyObject*) {
  auto* mine = static_cast<thread*>(records().get());
  if (mine != nullptr && &mine->home == &layer_of(module) && mine->state == PyThreadState_Get() && !mine->is_over) {
    for (int tries = 0; tries < 10 && mine->started != nullptr; ++tries) {
      mine->kill_started();
    }
  }
  Py_RETURN_NONE;
}

}  // namespace

thread_reference find_thread(layer& home, unsigned long id) noexcept {
  const guard held(chains);
  for (thread* one = home.threads; one != nullptr; one = one->next) {
    if (one->id == id) {
      one->keep();
      return thread_reference(one);
    }
  }
  return thread_reference(nullptr);
}

bool others_can_run(thread& here, bool& answer) {
  const object frames = current_frames();
  if (!frames) {
    return false;
  }
  std::vector<unsigned long> all;
  PyObject* id = nullptr;
  PyObject* frame = nullptr;
  for (Py_ssize_t at = 0; PyDict_Next(frames.get(), &at, &id, &frame) != 0;) {
    if (!is_lent(frame)) {
      all.push_back(PyLong_AsUnsignedLong(id));
    }
  }
  const guard held(chains);
  answer = std::any_of(all.begin(), all.end(), [&here](unsigned long other) {
    if (other == here.id) {
      return false;
    }
    for (const thread* one = here.home.threads; one != nullptr; one = one->next) {
      if (one->id == other) {
        return !one->is_blocked;
      }
    }
    return true;  // a thread that has not used the module
  });
  here.is_blocked =
      answer && here.current == nullptr;  // no sooner than the question is answered: of two, one has to see the other
  return true;
}

PyMethodDef thread_functions[] = {
    {"getthreads", get_threads, METH_NOARGS,
     "getthreads()\n--\n\nReturns the identifiers of all threads that run Python, the main thread's first."},
    {"get_thread_info", get_thread_info, METH_VARARGS,
     "get_thread_info(thread_id=-1)\n--\n\nReturns a thread's main tasklet, its current one, and how many are runnable."},
    {"getmain", get_main, METH_NOARGS, "getmain()\n--\n\nReturns the main tasklet of this thread."},
    {"getcurrent", get_current, METH_NOARGS, "getcurrent()\n--\n\nReturns the tasklet that runs."},
    {"getcurrentid", get_current_id, METH_NOARGS,
     "getcurrentid()\n--\n\nReturns a number that tells the tasklet that runs from all others that exist."},
    {"getruncount", get_run_count, METH_NOARGS,
     "getruncount()\n--\n\nReturns how many tasklets of this thread are runnable, the current one included."},
    {"calculateruncount", calculate_run_count, METH_NOARGS,
     "calculateruncount()\n--\n\nCounts the runnable tasklets of this thread one by one."},
    {"getuncollectables", get_uncollectables, METH_NOARGS,
     "getuncollectables()\n--\n\nReturns the tasklets that have a C stack."},
    {"switch_trap", change_switch_trap, METH_VARARGS,
     "switch_trap(change=0)\n--\n\nChanges how deep this thread is in code that must not switch, and returns how deep it was. While "
     "that is not 0 a switch raises RuntimeError."},
    {"get_all_time_tasklet_count", count_tasklets, METH_NOARGS,
     "get_all_time_tasklet_count()\n--\n\nReturns how many tasklets were made so far."},
    {"get_active_tasklet_count", count_active_tasklets, METH_NOARGS,
     "get_active_tasklet_count()\n--\n\nReturns how many tasklets exist, main tasklets included."},
    {"_end_at_exit", end_at_exit, METH_NOARGS, "Kills the tasklets of this thread that have started."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace martlet::python::stackless
