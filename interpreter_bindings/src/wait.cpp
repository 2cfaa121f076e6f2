#include "wait.hpp"

#include <new>
#include <stdexcept>
#include <system_error>

#include <sys/syscall.h>
#include <unistd.h>

#include <martlet/channel/errors.hpp>
#include <martlet/tasklet/await.hpp>
#include <martlet/tasklet/errors.hpp>

#include "function_tasklet.hpp"
#include "python_tasklet.hpp"
#include "run.hpp"

namespace martlet::python {
namespace {

// How often a blocked main thread looks whether a signal (Ctrl-C) has come.
constexpr base::instant between_signal_checks = 100'000'000;

bool is_main_thread() noexcept { return syscall(SYS_gettid) == getpid(); }

// The calling thread sleeps, detached, until the wait has been claimed.
//
// Returns   false with an exception set, when a signal's handler raised one.
bool sleep_as_thread(detail::thread_waiter& self) {
  const bool may_be_interrupted = is_main_thread();
  for (;;) {
    const base::instant due = self.deadline_;
    if (may_be_interrupted) {
      self.deadline_ = std::min(due, base::now() + between_signal_checks);
    }
    bool is_woken = false;
    Py_BEGIN_ALLOW_THREADS is_woken = self.sleep();
    Py_END_ALLOW_THREADS self.deadline_ = due;
    if (is_woken) {
      return true;
    }
    if (due <= base::now()) {
      if (detail::claim_timer(self)) {
        return true;
      }
      self.deadline_ = base::never;  // a wake-up was first and is on its way
    } else if (PyErr_CheckSignals() < 0) {
      const error_set_aside raised;
      detail::request_cancel(&self.record_);
      self.deadline_ = base::never;
      Py_BEGIN_ALLOW_THREADS self.sleep();
      Py_END_ALLOW_THREADS return false;
    }
  }
}

PyObject* block_thread(wait& what) {
  detail::thread_waiter self;
  if (!what.try_at_once(&self.record_)) {
    do {
      if (what.prepare(&self.record_) && what.publish()) {
        if (!sleep_as_thread(self)) {
          const error_set_aside raised;
          drop_result(what);
          return nullptr;
        }
        self.flag_.store(0, base::relaxed);  // whoever woke us is done with it
      }
    } while (!what.is_over(&self.record_));
  }
  return what.finish();
}

PyObject* block_function(function_frame& self, wait& what) {
  const bool yields_first = what.yields_first();
  if (yields_first && --self.record_.at()->budget_ < 0) {
    self.let_others_run();
  }
  if (what.try_at_once(&self.record_)) {
    if (!yields_first && --self.record_.at()->budget_ < 0) {
      self.let_others_run();  // it is done, but they want to run too
    }
  } else {
    do {
      self.park(what);
    } while (!what.is_over(&self.record_));
  }
  return what.finish();
}

}  // namespace

PyObject* wait::raise_late() {
  PyErr_SetString(state().deadline_passed, "the wait took longer than it was allowed to");
  return nullptr;
}

void drop_result(wait& what) {
  if (const object result = object::take(what.finish()); result) {
    what.undo(result.get());
  }
  PyErr_Clear();
}

PyObject* raise_cancelled(module_state& state) {
  PyErr_SetString(state.cancelled, "this tasklet was asked to stop");
  return nullptr;
}

PyObject* raise_what_was_caught(module_state& state) {
  try {
    throw;
  } catch (const cancelled&) {
    return raise_cancelled(state);
  } catch (const channel_closed&) {
    PyErr_SetString(state.channel_closed, "nothing can be sent any more");
  } catch (const misuse& error) {
    PyErr_SetString(state.misuse, error.what());
  } catch (const deadlock& error) {
    PyErr_SetString(state.deadlock, error.what());
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::system_error& error) {
    PyErr_Format(PyExc_OSError, "%s", error.what());
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
  }
  return nullptr;
}

PyObject* block(wait& what, const char* call, const char* instead) {
  if (tasklet_frame* self = current_tasklet(); self != nullptr) {
    if (self->body_ == body::function) {
      if (refuse_child_of_fork(*self, call)) {
        return nullptr;
      }
      return block_function(static_cast<function_frame&>(*self), what);
    }
    PyErr_Format(what.state().misuse,
                 "%s blocks, and inside a coroutine tasklet it would hold up the worker with all its tasklets: "
                 "write '%s' instead",
                 call, instead);
    return nullptr;
  }
  if (detail::current_host() != nullptr) {
    PyErr_Format(
        what.state().misuse,
        "%s would block a worker with all its tasklets, and what calls it here is no Python tasklet (a callback, "
        "or C++): spawn a function that calls it",
        call);
    return nullptr;
  }
  if (refuse_beside_simulation(what.state(), call)) {
    return nullptr;
  }
  switch (what.state().may_block_loops.load(base::relaxed) ? 0 : has_running_loop()) {
    case -1: return nullptr;
    case 1:
      PyErr_Format(what.state().misuse,
                   "%s blocks, and this thread runs an asyncio event loop, which would stand still: block in a thread "
                   "of its own (asyncio.to_thread), or write '%s' in a tasklet",
                   call, instead);
      return nullptr;
    default: return block_thread(what);
  }
}

PyObject* take_or_block(wait& what, base::instant due, const char* call, const char* instead) {
  const tasklet_frame* self = current_tasklet();
  if (self == nullptr || self->body_ == body::coroutine) {
    if (refuse_beside_simulation(what.state(), call)) {
      return nullptr;
    }
    detail::thread_waiter nobody;
    if (what.try_at_once(&nobody.record_)) {
      return what.finish();
    }
  }
  return block_until(what, due, call, instead);
}

// ---- a limit

limited_wait::limited_wait(wait& inner, base::instant due) noexcept : inner_(inner), due_(due), limit_(due) {}

bool limited_wait::try_at_once(detail::tasklet* who) {
  if (inner_.try_at_once(who)) {
    return true;
  }
  is_late_ = due_ <= base::now();
  return is_late_;
}

bool limited_wait::prepare(detail::tasklet* who) {
  cases_ = {inner_.as_case(), detail::select_case::of(limit_)};
  select_.emplace(cases_, cores_);
  return select_->prepare(who);
}

PyObject* limited_wait::finish() {
  if (is_late_) {
    return inner_.late();
  }
  if (!select_) {
    return inner_.finish();
  }
  try {
    return select_->finish() == 0 ? inner_.case_result() : inner_.late();
  } catch (...) {
    return raise_what_was_caught(state());
  }
}

}  // namespace martlet::python
