#include "function_tasklet.hpp"

#include "run.hpp"

namespace martlet::python {

function_frame::function_frame(object function, object args, object context) noexcept
    : tasklet_frame(body::function, &function_frame::resume),
      function_(std::move(function)),
      args_(std::move(args)),
      context_(std::move(context)) {}

// What the worker runs, on its own stack.
void function_frame::resume(void* frame) {
  auto& self = *static_cast<function_frame*>(static_cast<tasklet_frame*>(frame));
  detail::host& here = *self.record_.at();
  attachment& mine = self.run_->attach(here);
  if (!self.is_started_ && !self.start(*self.run_, mine.state)) {
    end_tasklet(self, {}, take_error());
    return;
  }
  for (;;) {
    self.switch_to(mine.state, here);
    if (self.has_ended_) {
      self.end();
      return;
    }
    // The function has left its stack: from `publish` on it may be resumed. No Python between these two.
    if (self.waiting_ != nullptr && self.waiting_->prepare(&self.record_)) {
      if (self.waiting_->publish()) {
        return;
      }
    } else if (self.waiting_ == nullptr || --here.budget_ < 0) {
      detail::ready(&self.record_, &here, detail::turn::last);
      return;
    }
  }
}

bool function_frame::start(run& all, PyThreadState* thread) {
  try {
    memory_ = detail::stacks().take(function_stack_bytes);
  } catch (...) {
    raise_what_was_caught(all.state());
    return false;
  }
  const data_stack data = data_stack::in(memory_);
  const detail::stack_span c_stack{memory_.low, data.begin()};
  state_.begin(thread, c_stack, data, context_.release());
  flow_.prepare(c_stack, &function_frame::enter, this);
  record_.is_pinned_ = true;
  is_started_ = true;
  return true;
}

void function_frame::switch_to(PyThreadState* thread, detail::host& here) noexcept {
  saved_thread_state workers;
  workers.save(thread);
  state_.load(thread);
  state_.take_locks_back(thread);
  flow_.resume(*here.carrier_);
  state_.release_locks(thread);
  state_.save(thread);
  workers.load(thread);
}

void function_frame::end() {
  detail::stacks().give_back(memory_);
  const object context = object::take(state_.context);
  const object handled = object::take(state_.exc_state.exc_value);  // None, when it has handled an error
  end_tasklet(*this, std::move(result_), std::move(error_));
}

// The function's first and last call on its own stack.
void function_frame::enter(void* frame) {
  auto& self = *static_cast<function_frame*>(frame);
  {
    object result = object::take(PyObject_Call(self.function_.get(), self.args_.get(), nullptr));
    if (result && PyCoro_CheckExact(result.get())) {
      Py_XDECREF(PyObject_CallMethod(result.get(), "close", nullptr));  // or it warns that it was never awaited
      result = {};
      PyErr_Format(self.run_->state().misuse,
                   "spawn: %R returned a coroutine, which nobody awaits: spawn the coroutine itself, or the coroutine "
                   "function",
                   self.function_.get());
    }
    self.error_ = result ? object() : take_error();
    self.result_ = std::move(result);
    self.function_ = {};
    self.args_ = {};
  }
  self.has_ended_ = true;
  self.flow_.finish();
}

void function_frame::park(wait& what) noexcept {
  waiting_ = &what;
  flow_.suspend();
}

void function_frame::let_others_run() noexcept {
  waiting_ = nullptr;
  flow_.suspend();
}

object function_frame::suspended_frame(PyThreadState* thread) noexcept {
  if (!is_started_) {
    return {};
  }
  saved_thread_state callers;
  callers.save(thread);
  state_.load(thread);
  object innermost = object::take(reinterpret_cast<PyObject*>(PyThreadState_GetFrame(thread)));
  state_.save(thread);
  callers.load(thread);
  return innermost;
}

}  // namespace martlet::python
