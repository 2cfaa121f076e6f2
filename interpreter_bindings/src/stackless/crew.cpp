#include "crew.hpp"

#include "bomb.hpp"
#include "run.hpp"

#include <algorithm>
#include <limits>
#include <memory>
#include <new>

namespace martlet::python::stackless {
namespace {

// How many switches of its own a thread makes until it takes one that is offered all the same.
constexpr unsigned turns_between = 64;

void wake_one(const crew& all) noexcept {
  const auto sleeper =
      std::find_if(all.workers.begin(), all.workers.end(), [](thread* one) { return one->is_blocked; });
  (sleeper != all.workers.end() ? **sleeper : all.owner).wake();
}

// A tasklet that has not started changes its thread.
void hand_over(tasklet& one, thread& to) noexcept {
  to.keep();
  thread* before = one.home;
  one.home = &to;
  before->let_go();
}

void take(tasklet& one, thread& here) noexcept {
  take_back(one);
  hand_over(one, here);
  here.insert(one);
}

// Whether a `run` of this member has nothing to wait for: the owner's outermost one waits until no worker has anything to run, that of a
// worker until the crew is over, one inside of another until all others wait, too.
bool is_done(const crew& all, const thread& here) noexcept {
  const bool is_outermost = here.runs.size() == 1;
  if (is_outermost && &here != &all.owner) {
    return all.is_over;
  }
  const auto rests = [&here, is_outermost](const thread* one) {
    return one == &here || (one->is_blocked && (!is_outermost || one->runs.size() == 1));
  };
  return all.first == nullptr && std::all_of(all.workers.begin(), all.workers.end(), rests) &&
         (all.is_over || all.owner.runs.empty() || rests(&all.owner));
}

// Nobody is there to whom an error could be raised.
void write(layer& home, object error) {
  Py_XDECREF(explode(home, std::move(error)));
  const object what = object::take(PyUnicode_FromString("Error in a tasklet on a worker of martlet.stackless.spread"));
  PyErr_WriteUnraisable(what.get());
}

// An error has left a tasklet on a worker: the owner's outermost `run` goes on with it.
void tell(thread& worker, object error) {
  {
    const guard held(chains);
    if (worker.mates != nullptr && !worker.mates->is_over) {
      thread& owner = worker.mates->owner;
      worker.mates->errors.push_back(std::move(error));
      if (!owner.runs.empty() && owner.runs.front()->where == place::nowhere) {
        owner.make_runnable(*owner.runs.front());
      }
      owner.wake();
      return;
    }
  }
  write(worker.home, std::move(error));
}

// Returns false when the crew has ended meanwhile.
bool join(thread& here, const thread& owner) noexcept {
  const guard held(chains);
  if (owner.mates == nullptr || owner.mates->is_over) {
    return false;
  }
  here.mates = owner.mates;
  here.mates->workers.push_back(&here);
  return true;
}

// Returns whether a worker has nothing to do any more, and leaves the crew then.
bool leaves(thread& here) noexcept {
  std::shared_ptr<crew> left;
  const guard held(chains);
  if (here.mates != nullptr && (!here.mates->is_over || here.runnable != 1)) {
    return false;
  }
  leave_crew(here);
  left = std::move(here.mates);
  return true;
}

PyObject* work(PyObject* module, PyObject* id) {
  layer& home = layer_of(module);
  thread* here = thread::here(home);
  const unsigned long owner_id = PyLong_AsUnsignedLong(id);
  if (here == nullptr || PyErr_Occurred() != nullptr) {
    return nullptr;
  }
  if (const thread_reference owner = find_thread(home, owner_id); !owner || !join(*here, *owner)) {
    Py_RETURN_NONE;
  }
  while (!leaves(*here)) {
    const object result = object::take(run(*here, 0, 0));
    if (!result) {
      tell(*here, bomb_of_error(home));
    }
  }
  here->kill_started();  // while the thread is one for Python's threading, too
  Py_RETURN_NONE;
}

PyObject* refuse(const char* text) {
  PyErr_SetString(PyExc_RuntimeError, text);
  return nullptr;
}

PyObject* check_spread(PyObject* module, PyObject*) {
  if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
    return refuse("spread: it needs the main interpreter, whose threads may be daemons");
  }
  const thread* here = thread::here(layer_of(module));
  if (here == nullptr) {
    return nullptr;
  }
  if (here->mates != nullptr && &here->mates->owner != here) {
    return refuse("spread: this thread is a worker; call it on the thread that has made it one");
  }
  if (!here->runs.empty() || &here->running() != here->main) {
    return refuse("spread: tasklets are running; call it in the main tasklet, outside of run()");
  }
  Py_RETURN_NONE;
}

PyObject* gather(PyObject* module, PyObject*) {
  thread* here = thread::here(layer_of(module));
  if (here == nullptr) {
    return nullptr;
  }
  if (here->mates == nullptr) {
    auto made = std::make_shared<crew>(*here);
    const guard held(chains);
    here->mates = std::move(made);
  }
  return PyLong_FromUnsignedLong(here->id);
}

PyObject* disband_call(PyObject* module, PyObject*) {
  thread* here = thread::here(layer_of(module));
  PyObject* idle = here != nullptr ? PyList_New(0) : nullptr;
  if (idle == nullptr || here->mates == nullptr) {
    return idle;
  }
  std::vector<unsigned long> ids;
  {
    const guard held(chains);
    for (const thread* one : here->mates->workers) {
      if (one->is_blocked) {
        ids.push_back(one->id);
      }
    }
  }
  disband(*here);
  for (const unsigned long id : ids) {
    const object number = object::take(PyLong_FromUnsignedLong(id));
    if (!number || PyList_Append(idle, number.get()) < 0) {
      Py_CLEAR(idle);
      break;
    }
  }
  return idle;
}

// In a child of fork nobody else is there: what is offered is for whoever has forked. The errors are the parent's.
PyObject* forget_crew(PyObject*, PyObject*) {
  std::shared_ptr<crew> left;
  if (thread* here = thread::of(PyThreadState_Get()); here != nullptr && here->mates != nullptr) {
    const guard held(chains);
    while (here->mates->first != nullptr) {
      take(*here->mates->first, *here);
    }
    left = std::move(here->mates);
  }
  Py_RETURN_NONE;
}

}  // namespace

bool offer(tasklet& one) noexcept {
  const std::shared_ptr<crew>& mates = one.home->mates;
  if (mates == nullptr || mates->is_over || !one.may_spread || one.what != stage::bound) [[likely]] {
    return false;
  }
  crew& all = *mates;
  hand_over(one, all.owner);
  one.next = nullptr;
  one.prev = all.last;
  (all.last != nullptr ? all.last->next : all.first) = &one;
  all.last = &one;
  one.where = place::offers;
  ++all.offered;
  wake_one(all);
  return true;
}

void take_back(tasklet& one) noexcept {
  crew& all = *one.home->mates;
  (one.prev != nullptr ? one.prev->next : all.first) = one.next;
  (one.next != nullptr ? one.next->prev : all.last) = one.prev;
  one.next = one.prev = nullptr;
  one.where = place::nowhere;
  --all.offered;
}

void wake_done(const crew& all) noexcept {
  const auto look = [&all](thread* one) {
    if (one->is_blocked && !one->runs.empty() && is_done(all, *one)) {
      one->wake();
    }
  };
  std::for_each(all.workers.begin(), all.workers.end(), look);
  if (!all.is_over) {
    look(&all.owner);
  }
}

void claim(tasklet& one, thread& here) noexcept {
  if (here.mates == nullptr) [[likely]] {
    return;
  }
  const guard held(chains);
  if (one.where == place::offers && one.home->mates == here.mates) {
    take(one, here);
  }
}

bool take_offered(thread& here, int most) noexcept {
  const guard held(chains);
  const crew& all = *here.mates;
  const bool takes = all.first != nullptr && here.runnable <= most;
  if (takes) {
    take(*all.first, here);
  }
  if (all.first != nullptr) {
    wake_one(all);
  }
  return takes;
}

void take_in_turn(thread& here) noexcept {
  if (++here.turns % turns_between == 0) {
    take_offered(here, std::numeric_limits<int>::max());
  }
}

void note_blocked(thread& here) noexcept {
  here.is_blocked = !has_some(here);
  if (here.is_blocked && here.mates != nullptr) {
    wake_done(*here.mates);
  }
}

bool mates_can_run(thread& here, bool& answer) {
  const guard held(chains);
  answer = has_some(here) || (here.mates != nullptr && !is_done(*here.mates, here));
  if (answer) {
    note_blocked(here);
  }
  return true;
}

bool has_more(const thread& here) noexcept {
  return here.mates != nullptr && (here.runnable != 1 || !is_done(*here.mates, here));
}

object claim_error(thread& here) noexcept {
  object error;
  if (here.mates == nullptr || &here.mates->owner != &here) [[likely]] {
    return error;
  }
  const guard held(chains);
  if (here.runs.empty() && !here.mates->errors.empty()) {
    error = std::move(here.mates->errors.front());
    here.mates->errors.pop_front();
  }
  return error;
}

void disband(thread& owner) {
  std::shared_ptr<crew> left;
  std::deque<object> errors;
  {
    const guard held(chains);
    crew& all = *owner.mates;
    while (all.first != nullptr) {
      take(*all.first, owner);
    }
    all.is_over = true;
    for (thread* one : all.workers) {
      one->wake();
    }
    errors.swap(all.errors);
    left = std::move(owner.mates);
  }
  for (object& error : errors) {
    write(owner.home, std::move(error));
  }
}

void leave_crew(thread& one) noexcept {
  if (one.mates == nullptr) {
    return;
  }
  if (&one.mates->owner == &one) {
    one.mates->is_over = true;
  } else {
    std::erase(one.mates->workers, &one);
    wake_done(*one.mates);
  }
}

PyMethodDef crew_functions[] = {
    {"_check_spread", check_spread, METH_NOARGS, "Raises RuntimeError where spread must not be called."},
    {"_gather", gather, METH_NOARGS,
     "Has this thread's fresh tasklets offered to workers, and returns what _work takes."},
    {"_work", work, METH_O, "Runs what the thread with this identifier and its workers offer, until it disbands them."},
    {"_disband", disband_call, METH_NOARGS,
     "Has this thread's workers end, and returns the identifiers of the idle ones."},
    {"_forget_crew", forget_crew, METH_NOARGS, "Does what the child of a fork needs."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace martlet::python::stackless
