#include "switch.hpp"

#include "bomb.hpp"
#include "crew.hpp"
#include "tracing.hpp"
#include "watchdog.hpp"

namespace martlet::python::stackless {
namespace {

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

}  // namespace

void settle(thread& here) noexcept {
  if (here.drop_later) {
    const object dropped = std::move(here.drop_later);
  }
}

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
  if (here.mates != nullptr) [[unlikely]] {
    take_in_turn(here);
  }
  return next;
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

}  // namespace martlet::python::stackless
