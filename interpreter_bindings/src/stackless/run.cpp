#include "run.hpp"

#include "../arguments.hpp"
#include "bomb.hpp"
#include "crew.hpp"
#include "schedule.hpp"
#include "watchdog.hpp"

#include <algorithm>

namespace martlet::python::stackless {
namespace {

constexpr unsigned long most_turns = 0xFFFF'FFFF;

// What a timed run has changed of its thread, to put it back.
struct earlier {
  unsigned flags;
  long interval;
};

// Takes the innermost run off the list; the caller takes over the reference.
tasklet* pop_run(thread& here) {
  const guard held(chains);
  tasklet* last = here.runs.back();
  here.runs.pop_back();
  if (here.mates != nullptr) [[unlikely]] {
    wake_done(*here.mates);  // those of them that have waited for this one
  }
  if (last == here.timed_run && std::find(here.runs.begin(), here.runs.end(), last) == here.runs.end()) {
    here.timed_run = nullptr;
  }
  return last;
}

void restore(thread& here, const earlier& before, bool is_timed) noexcept {
  if (is_timed) {
    disarm(here);
    here.interval = before.interval;
  }
  here.run_flags = before.flags;
}

// The caller goes on: those that have called run since, in other tasklets, are made runnable and will find that they have been
// taken off the list.
void pop_runs(thread& here, tasklet& caller) {
  for (;;) {
    object last = object::take(pop_run(here)->self());
    tasklet& one = *as_tasklet(last.get());
    const bool is_last = &one == &caller;
    const guard held(chains);
    if (!is_scheduled(one)) {
      here.insert(*as_tasklet(last.release()));
    }
    if (is_last) {
      return;
    }
  }
}

// Whoever is in `run` has come back: when that was because nothing was runnable, and yet there is more to come from its mates, it
// leaves the chain again.
bool goes_round(thread& here, tasklet& caller) {
  object dropped;
  const guard held(chains);
  if (!std::exchange(here.ran_dry, false) || here.runs.empty() || here.runs.back() != &caller || !has_more(here)) {
    return false;
  }
  here.remove(caller);
  dropped = object::take(caller.self());  // the list has another reference
  return true;
}

}  // namespace

PyObject* run(thread& here, long timeout, unsigned flags) {
  tasklet& caller = here.running();
  if (caller.where != place::chain && refuse_while_waiting(here)) {
    return nullptr;
  }
  caller.arguments = nullptr;
  if (object error = claim_error(here); error) {
    return explode(here.home, std::move(error));
  }
  const bool is_timed = timeout > 0 && here.timed_run == nullptr;
  const earlier before{here.run_flags, here.interval};
  if (is_timed) {
    if (!arm(here, timeout)) {
      return nullptr;
    }
    here.run_flags = flags;
    here.interval = timeout;
  } else if ((flags & thread_blocks) != 0) {
    here.run_flags |= thread_blocks;
  }
  {
    const guard held(chains);
    here.runs.push_back(&caller);  // with the chain's reference
    if (is_timed) {
      here.timed_run = &caller;
    }
    here.remove(caller);
  }
  object result;
  do {
    here.ran_dry = false;
    tasklet* next = nullptr;
    {
      const guard held(chains);
      next = here.current;
    }
    if (schedule(here, caller, next, result) == outcome::failed) {
      tasklet* mine = pop_run(here);
      restore(here, before, is_timed);
      object dropped;
      const guard held(chains);
      if (mine->where == place::nowhere) {
        here.insert(*mine);
        here.current = mine;
      } else {
        dropped = object::take(mine->self());
      }
      return nullptr;
    }
  } while (here.mates != nullptr && result && here.interrupted == nullptr && goes_round(here, caller));
  if (std::find(here.runs.begin(), here.runs.end(), &caller) != here.runs.end()) {
    pop_runs(here, caller);
    restore(here, before, is_timed);
  }
  tasklet* victim = std::exchange(here.interrupted, nullptr);
  const object kept = object::take(victim != nullptr ? victim->self() : nullptr);
  if (!result) {
    return nullptr;
  }
  if (object error = victim == nullptr ? claim_error(here) : object(); error) {
    return explode(here.home, std::move(error));
  }
  if (victim == nullptr || (flags & soft) != 0) {
    Py_RETURN_NONE;
  }
  object of_chain;
  {
    const guard held(chains);
    if (victim->where == place::chain) {
      here.remove(*victim);
      of_chain = object::take(victim->self());
    }
  }
  return kept.new_reference();
}

PyObject* run_some(thread& here, unsigned count) {
  tasklet& caller = here.running();
  if (caller.where != place::chain && refuse_while_waiting(here)) {
    return nullptr;
  }
  caller.arguments = nullptr;
  if (object error = claim_error(here); error) {
    return explode(here.home, std::move(error));
  }
  {
    const guard held(chains);
    Py_INCREF(caller.self());
    here.runs.push_back(&caller);  // errors are for the caller
  }
  bool is_done = true;
  for (; is_done && count != 0; --count) {
    if (here.mates != nullptr) [[unlikely]] {
      take_offered(here, 1);
    }
    tasklet* next = nullptr;
    object kept;
    {
      const guard held(chains);
      if (caller.next == &caller) {
        break;
      }
      next = caller.next;
      kept = hold(next);
      here.remove(caller);  // the next one is first now, and the caller goes behind it
      here.insert_second(caller);
    }
    object result;
    is_done = schedule(here, caller, next, result) != outcome::failed;
    if (!is_done) {
      const guard held(chains);
      here.current = &caller;
    }
    is_done = is_done && result;
  }
  if (std::find(here.runs.begin(), here.runs.end(), &caller) != here.runs.end()) {
    pop_runs(here, caller);
  }
  return is_done ? Py_NewRef(Py_None) : nullptr;
}

namespace {

PyObject* run_call(PyObject* module, PyObject* args, PyObject* kwargs) {
  static const char* names[] = {"timeout", "threadblock", "soft", "ignore_nesting", "totaltimeout", nullptr};
  long timeout = 0;
  int given[4] = {};
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|liiii:run", const_cast<char**>(names), &timeout, &given[0],
                                   &given[1], &given[2], &given[3])) {
    return nullptr;
  }
  unsigned flags = 0;
  for (unsigned i = 0; i < 4; ++i) {
    flags |= given[i] != 0 ? 1U << i : 0U;
  }
  thread* mine = thread::here(layer_of(module));
  return mine != nullptr ? run(*mine, timeout, flags) : nullptr;
}

PyObject* run_some_call(PyObject* module, PyObject* number) {
  const unsigned long count = PyLong_AsUnsignedLong(number);
  if (PyErr_Occurred() != nullptr) {
    return nullptr;
  }
  if (count == 0) {
    PyErr_SetString(PyExc_RuntimeError, "Invalid number: Number of Tasklets to run must be greater than 0.");
    return nullptr;
  }
  thread* mine = thread::here(layer_of(module));
  return mine != nullptr ? run_some(*mine, static_cast<unsigned>(std::min(count, most_turns))) : nullptr;
}

}  // namespace

PyMethodDef run_functions[] = {
    {"run_n_tasklets", run_some_call, METH_O,
     "run_n_tasklets(n, /)\n--\n\nGives the next n of the runnable tasklets a turn each: until they switch, block or end."},
    {"run", as_method(run_call), METH_VARARGS | METH_KEYWORDS,
     "run(timeout=0, threadblock=False, soft=False, ignore_nesting=False, totaltimeout=False)\n--\n\n"
     "Runs the other tasklets of this thread until none is runnable, and returns None.\n\n"
     "With a timeout, a tasklet that has run for so many bytecodes is interrupted, taken out of the chain and returned; with soft "
     "the interrupt waits for the next switch, and None is returned; with totaltimeout the limit is that of the whole run. "
     "ignore_nesting interrupts in spite of C functions between the tasklet's frames. With threadblock the thread sleeps when no "
     "tasklet is runnable, until another thread makes one so. An error that leaves a tasklet leaves run."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace martlet::python::stackless
