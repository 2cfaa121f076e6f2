#include "bomb.hpp"
#include "channel.hpp"
#include "crew.hpp"
#include "schedule.hpp"
#include "watchdog.hpp"

/// What makes a tasklet runnable, runs it, raises errors in it.
namespace martlet::python::stackless {
namespace {

bool refuse(const char* text) {
  PyErr_SetString(PyExc_RuntimeError, text);
  return false;
}

// Makes a tasklet runnable, on this thread or on any where it may run.
bool insert(tasklet& one, bool offers) {
  const char* refusal = nullptr;
  {
    const guard held(chains);
    if (one.blocked != 0) {
      refusal = "You cannot run a blocked tasklet";
    } else if (is_scheduled(one)) {
      return true;
    } else if (thread_of(one) == nullptr) {
      refusal = "Target thread isn't initialized";
    } else if (one.what == stage::none) {
      refusal = "You cannot run an unbound(dead) tasklet";
    } else {
      Py_INCREF(one.self());
      if (!offers || !offer(one)) {
        one.home->insert(one);
        one.home->wake();
      }
    }
  }
  return refusal == nullptr || refuse(refusal);
}

// Of another thread: it is made runnable there, as the next one.
bool insert_elsewhere(tasklet& one) {
  if (!insert(one)) {
    return false;
  }
  const guard held(chains);
  thread* there = thread_of(one);
  if (there == nullptr || one.where != place::chain || there->current == &one) {
    return true;
  }
  there->remove(one);
  if (there->is_idle) {  // it has not gone on yet
    there->insert(one);
    there->current = &one;
  } else {
    there->insert_second(one);
  }
  return true;
}

// A pending interrupt may be allowed from now on.
void look_again(tasklet& one) noexcept {
  thread* mine = thread_of(one);
  if (one.has_interrupt_pending && mine != nullptr && mine->current == &one && mine->state == PyThreadState_Get() &&
      mine->is_timed && !mine->has(soft) && !one.is_atomic && may_interrupt_nested(*mine, one)) {
    one.has_interrupt_pending = false;
    interrupt_soon(*mine);
  }
}

// An exception for one that has nothing to run any more: it is none when it only asks for the end.
PyObject* throw_at_dead(tasklet& one, layer& home, PyObject* bomb_object) {
  PyObject* type = reinterpret_cast<bomb*>(bomb_object)->type;
  const int asks_for_end = PyObject_IsSubclass(type, home.tasklet_exit);
  const bool has_frames = thread_of(one) == nullptr && one.what != stage::none;
  if (asks_for_end <= 0 || has_frames) {
    if (asks_for_end >= 0) {
      refuse(thread_of(one) == nullptr ? "tasklet has no thread" : "You cannot throw to a dead tasklet");
    }
    return nullptr;
  }
  object dropped;
  const guard held(chains);
  if (one.where == place::channel) {
    one.queue->remove(one);
    dropped = object::take(one.self());
  } else if (one.where == place::chain) {
    one.home->remove(one);
    dropped = object::take(one.self());
  }
  Py_RETURN_NONE;
}

}  // namespace

bool insert(tasklet& one) { return insert(one, true); }

bool remove(tasklet& one) {
  if (thread* here = thread::of(PyThreadState_Get()); here != nullptr) {
    claim(one, *here);
  }
  object dropped;
  const char* refusal = nullptr;
  {
    const guard held(chains);
    if (thread_of(one) == nullptr) {
      return true;
    }
    if (one.blocked != 0) {
      refusal = "You cannot remove a blocked tasklet.";
    } else if (one.home->current == &one) {
      refusal = "The current tasklet cannot be removed.";
    } else if (one.where == place::offers) {  // to others
      take_back(one);
      dropped = object::take(one.self());
    } else if (one.where == place::chain) {
      one.home->remove(one);
      dropped = object::take(one.self());
    }
  }
  return refusal == nullptr || refuse(refusal);
}

PyObject* run_or_switch(tasklet& one, bool removes_caller) {
  thread* here = thread::here(one.home->home);
  if (here == nullptr) {
    return nullptr;
  }
  claim(one, *here);
  tasklet& from = here->running();
  const bool was_nowhere = one.where == place::nowhere;
  bool is_removed = false;
  if (one.home == here) {
    if (!insert(one, false)) {
      return nullptr;
    }
    if (removes_caller && from.where == place::chain) {
      const guard held(chains);
      here->remove(from);
      here->drop_later = object::take(from.self());  // the chain's reference
      is_removed = true;
    }
  } else {
    if (thread_of(one) == nullptr) {
      refuse("tasklet has no thread");
      return nullptr;
    }
    if (removes_caller) {
      refuse("can't switch to a different thread.");
      return nullptr;
    }
    if (!insert_elsewhere(one)) {
      return nullptr;
    }
  }
  object result;
  const outcome how = schedule(*here, from, &one, result);
  if (how == outcome::failed) {
    object dropped[2];
    const guard held(chains);
    if (is_removed) {
      dropped[0] = std::move(here->drop_later);
      if (from.where == place::nowhere) {
        Py_INCREF(from.self());
        here->insert(from);
        here->current = &from;
      }
    }
    if (was_nowhere && one.home == here && one.where == place::chain && &one != &from) {
      here->remove(one);
      dropped[1] = object::take(one.self());
    }
  } else if (how == outcome::stayed && is_removed) {
    const object dropped = std::move(here->drop_later);
  }
  return result.release();
}

PyObject* throw_into(tasklet& one, object what, bool is_pending) {
  layer& home = one.home->home;
  thread* here = thread::here(home);
  if (here == nullptr) {
    return nullptr;
  }
  tasklet& from = here->running();
  from.arguments = nullptr;
  if (&one == &from) {
    return explode(home, std::move(what));
  }
  if (!is_alive(one)) {
    return throw_at_dead(one, home, what.get());
  }
  if (!is_pending) {
    claim(one, *here);
  }
  object before;
  {
    const guard held(chains);
    before = object::take(std::exchange(one.value, what.release()));
  }
  object result = object::share(Py_None);
  bool is_done = true;
  if (!is_pending) {
    const object kept = object::share(one.self());
    is_done = schedule(*here, from, &one, result) != outcome::failed;
  } else {
    object of_queue;
    const guard held(chains);
    thread* there = thread_of(one);
    if (there == nullptr || one.what == stage::none) {  // it has ended meanwhile
      return result.release();
    }
    there->make_runnable(one);
    there->wake();
  }
  if (!is_done) {
    const guard held(chains);
    before = object::take(std::exchange(one.value, before.release()));
    return nullptr;
  }
  return result.release();
}

PyObject* kill(tasklet& one, bool is_pending) {
  layer& home = one.home->home;
  if (thread_of(one) == nullptr) {  // nobody can run it: what it has not started goes
    object dropped[3];
    const guard held(chains);
    one.what = stage::none;
    one.stack = nullptr;
    dropped[0] = object::take(std::exchange(one.function, nullptr));
    dropped[1] = object::take(std::exchange(one.args, nullptr));
    dropped[2] = object::take(std::exchange(one.kwargs, nullptr));
  }
  object reason = make_bomb(home, home.tasklet_exit, Py_None, Py_None);
  return reason ? throw_into(one, std::move(reason), is_pending) : nullptr;
}

int set_atomic(tasklet& one, bool flag) {
  const bool before = std::exchange(one.is_atomic, flag);
  look_again(one);
  return before ? 1 : 0;
}

int set_ignore_nesting(tasklet& one, bool flag) {
  const bool before = std::exchange(one.ignores_nesting, flag);
  look_again(one);
  return before ? 1 : 0;
}

}  // namespace martlet::python::stackless
