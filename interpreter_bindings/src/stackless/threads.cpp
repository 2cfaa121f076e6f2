#include "../arguments.hpp"
#include "crew.hpp"
#include "tasklet.hpp"

#include <algorithm>

/// What the module tells about threads: which there are, what runs on them, whether one can still wait for another.
namespace martlet::python::stackless {
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
  return PyLong_FromLong(mine->runnable + offered_to(*mine));
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
    count = offered_to(*mine);
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
  thread* mine = thread::of(PyThreadState_Get());
  if (mine != nullptr && &mine->home == &layer_of(module)) {
    mine->kill_started();
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
  answer = has_some(here) || std::any_of(all.begin(), all.end(), [&here](unsigned long other) {
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
  if (answer) {
    note_blocked(here);  // no sooner than the question is answered: of two, one has to see the other
  }
  return true;
}

PyMethodDef thread_functions[] = {
    {"getthreads", get_threads, METH_NOARGS,
     "getthreads()\n--\n\nReturns the identifiers of all threads that run Python, the main thread's first."},
    {"get_thread_info", get_thread_info, METH_VARARGS,
     "get_thread_info(thread_id=-1, flags=0, /)\n--\n\nReturns a thread's main tasklet, its current one, and how many are runnable."},
    {"getmain", get_main, METH_NOARGS, "getmain()\n--\n\nReturns the main tasklet of this thread."},
    {"getcurrent", get_current, METH_NOARGS, "getcurrent()\n--\n\nReturns the tasklet that runs."},
    {"getcurrentid", get_current_id, METH_NOARGS,
     "getcurrentid()\n--\n\nReturns a number that tells the tasklet that runs from all others that exist."},
    {"getruncount", get_run_count, METH_NOARGS,
     "getruncount()\n--\n\nReturns how many tasklets of this thread are runnable, the current one and those that are offered to its "
     "workers (spread) included."},
    {"calculateruncount", calculate_run_count, METH_NOARGS,
     "calculateruncount()\n--\n\nCounts the runnable tasklets of this thread one by one."},
    {"getuncollectables", get_uncollectables, METH_NOARGS,
     "getuncollectables()\n--\n\nReturns the tasklets that have a C stack."},
    {"switch_trap", change_switch_trap, METH_VARARGS,
     "switch_trap(change=0, /)\n--\n\nChanges how deep this thread is in code that must not switch, and returns how deep it was. While "
     "that is not 0 a switch raises RuntimeError."},
    {"get_all_time_tasklet_count", count_tasklets, METH_NOARGS,
     "get_all_time_tasklet_count()\n--\n\nReturns how many tasklets were made so far."},
    {"get_active_tasklet_count", count_active_tasklets, METH_NOARGS,
     "get_active_tasklet_count()\n--\n\nReturns how many tasklets exist, main tasklets included."},
    {"_end_at_exit", end_at_exit, METH_NOARGS, "Kills the tasklets of this thread that have started."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace martlet::python::stackless
