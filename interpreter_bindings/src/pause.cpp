#include "arguments.hpp"
#include "operation.hpp"

/// `sleep` and `yield_`.
namespace martlet::python {
namespace {

class sleep_wait final : public wait {
 public:
  sleep_wait(module_state& state, base::instant due) noexcept : state_(state), due_(due), op_(due) {}

  bool try_at_once(detail::tasklet* who) override {
    is_cancelled_ = who->root()->is_cancelled();
    is_past_ = due_ <= base::now();
    return is_cancelled_ || is_past_;
  }
  bool prepare(detail::tasklet* who) override { return op_.prepare(who); }
  bool publish() noexcept override { return op_.publish(); }
  PyObject* finish() override {
    if (is_cancelled_) {
      return raise_cancelled(state_);
    }
    if (!is_past_) {
      try {
        op_.finish();
      } catch (...) {
        return raise_what_was_caught(state_);
      }
    }
    Py_RETURN_NONE;
  }
  detail::select_case as_case() noexcept override { return detail::select_case::of(op_); }
  PyObject* case_result() override { Py_RETURN_NONE; }
  module_state& state() const noexcept override { return state_; }

 private:
  module_state& state_;
  base::instant due_;
  detail::sleep_operation op_;
  bool is_cancelled_ = false;
  bool is_past_ = false;
};

class yield_wait final : public wait {
 public:
  explicit yield_wait(module_state& state) noexcept : state_(state) {}

  bool try_at_once(detail::tasklet* who) override {
    is_cancelled_ = who->root()->is_cancelled();
    return is_cancelled_;
  }
  bool prepare(detail::tasklet* who) override {
    who_ = who;
    return who->kind_ != detail::kind::thread;
  }
  bool publish() noexcept override {
    detail::ready(who_, who_->at(), detail::turn::last);
    return true;
  }
  PyObject* finish() override {
    if (is_cancelled_) {
      return raise_cancelled(state_);
    }
    Py_RETURN_NONE;
  }
  PyObject* case_result() override { return finish(); }
  module_state& state() const noexcept override { return state_; }

 private:
  module_state& state_;
  detail::tasklet* who_ = nullptr;
  bool is_cancelled_ = false;
};

bool read_seconds(PyObject* seconds, const char* call, base::instant& due) {
  if (seconds == Py_None) {
    PyErr_Format(PyExc_TypeError, "%s() needs a number of seconds; found None", call);
    return false;
  }
  return read_limit(seconds, due);
}

PyObject* sleep(PyObject* module, PyObject* seconds) {
  base::instant due = 0;
  if (!read_seconds(seconds, "sleep", due)) {
    return nullptr;
  }
  sleep_wait sleeping(state_of(module), due);
  return block(sleeping, "sleep()", "await asleep(seconds)");
}

PyObject* asleep(PyObject* module, PyObject* seconds) {
  base::instant due = 0;
  if (!read_seconds(seconds, "asleep", due)) {
    return nullptr;
  }
  module_state& state = state_of(module);
  return make_operation<sleep_wait>(state, base::never, "asleep()", state, due);
}

PyObject* yield(PyObject* module, PyObject*) {
  yield_wait yielding(state_of(module));
  return block(yielding, "yield_()", "await ayield()");
}

PyObject* now(PyObject*, PyObject*) { return PyFloat_FromDouble(static_cast<double>(base::now()) * 1e-9); }

PyObject* ayield(PyObject* module, PyObject*) {
  module_state& state = state_of(module);
  return make_operation<yield_wait>(state, base::never, "ayield()", state);
}

}  // namespace

PyMethodDef pause_functions[] = {
    {"now", now, METH_NOARGS,
     "now($module, /)\n--\n\n"
     "Returns the seconds on the clock that sleeps and timeouts go by, from an unknown beginning.\n\n"
     "In a simulation it is virtual time; else it is that of time.monotonic, as a float. Suspends never."},
    {"sleep", sleep, METH_O,
     "sleep($module, seconds, /)\n--\n\n"
     "Waits for a time to pass. A negative one does not wait.\n\n"
     "Throws    Cancelled; Misuse in a coroutine: write 'await asleep(seconds)'.\n"
     "Suspends  the tasklet, or the thread."},
    {"asleep", asleep, METH_O,
     "asleep($module, seconds, /)\n--\n\nThe awaitable twin of sleep; also a case for select."},
    {"yield_", yield, METH_NOARGS,
     "yield_($module, /)\n--\n\n"
     "Lets everybody else who is ready here run first. Put it into long computations.\n\n"
     "Throws    Cancelled; Misuse in a coroutine: write 'await ayield()'."},
    {"ayield", ayield, METH_NOARGS, "ayield($module, /)\n--\n\nThe awaitable twin of yield_."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace martlet::python
