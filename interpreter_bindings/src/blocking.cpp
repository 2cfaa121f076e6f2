#include "arguments.hpp"
#include "operation.hpp"
#include "run.hpp"

#include <martlet/scheduler/blocking.hpp>

/// `blocking` and `ablocking`.
namespace martlet::python {
namespace {

class blocking_wait;

/// What a thread of the side pool calls.
struct python_call {
  blocking_wait* of;
  void operator()() const noexcept;
};

/// Calls a Python function on a thread of the side pool; on a plain thread, right there.
class blocking_wait final : public case_wait<detail::blocking_operation<python_call>> {
 public:
  blocking_wait(module_state& state, object function, object args, object keywords, object context) noexcept
      : case_wait(python_call{this}),
        state_(state),
        interpreter_(PyInterpreterState_Get()),
        function_(std::move(function)),
        args_(std::move(args)),
        keywords_(std::move(keywords)),
        context_(std::move(context)) {}

  bool prepare(detail::tasklet* who) override {
    run_ = tasklet_frame::of(who).run_;  // a plain thread does not come here
    home_ = who->at();
    return case_wait::prepare(who);
  }

  PyObject* case_result() override {
    try {
      op_.result();
    } catch (...) {
      return raise_what_was_caught(state_);
    }
    if (error_) {
      raise_again(std::move(error_));
    }
    return result_.release();
  }

  int traverse(visitproc visit, void* arg) const override {
    Py_VISIT(function_.get());
    Py_VISIT(args_.get());
    Py_VISIT(keywords_.get());
    Py_VISIT(context_.get());
    return 0;
  }

  module_state& state() const noexcept override { return state_; }
  bool occupies_thread() const noexcept override { return true; }
  detail::select_case as_case() noexcept override { return {}; }  // who waits for it has to be known before it begins

  // The caller waits meanwhile, and looks at the result afterwards.
  void call() noexcept {
    if (op_.pool == nullptr) {
      call_attached();
      return;
    }
    if (run_->is_simulated()) {  // on the thread of the tasklets, which may be attached
      run_->attach(*home_);
      call_attached();
      return;
    }
    PyThreadState* mine = PyThreadState_New(interpreter_);
    PyEval_RestoreThread(mine);
    call_attached();
    PyThreadState_Clear(mine);
    PyThreadState_DeleteCurrent();
  }

 private:
  void call_attached() noexcept {
    if (PyContext_Enter(context_.get()) == 0) {
      result_ = object::take(PyObject_Call(function_.get(), args_.get(), keywords_.get()));
      error_ = take_error();
      PyContext_Exit(context_.get());
    } else {
      error_ = take_error();
    }
    function_ = {};
    args_ = {};
    keywords_ = {};
  }

  module_state& state_;
  PyInterpreterState* const interpreter_;
  run* run_ = nullptr;
  detail::host* home_ = nullptr;
  object function_;
  object args_;
  object keywords_;
  object context_;
  object result_;
  object error_;
};

void python_call::operator()() const noexcept { of->call(); }

struct call_parts {
  object function;
  object args;
  object keywords;
  object context;
};

// Returns   false with an exception set.
bool read_call(PyObject* args, PyObject* keywords, const char* call, call_parts& what) {
  const Py_ssize_t count = PyTuple_GET_SIZE(args);
  if (count == 0 || !PyCallable_Check(PyTuple_GET_ITEM(args, 0))) {
    PyErr_Format(PyExc_TypeError, "%s() needs a function to call; found %s", call,
                 count == 0 ? "nothing" : Py_TYPE(PyTuple_GET_ITEM(args, 0))->tp_name);
    return false;
  }
  what.function = object::share(PyTuple_GET_ITEM(args, 0));
  what.args = object::take(PyTuple_GetSlice(args, 1, count));
  what.keywords = object::share(keywords);
  what.context = object::take(PyContext_CopyCurrent());
  return what.args && what.context;
}

PyObject* blocking(PyObject* module, PyObject* args, PyObject* keywords) {
  call_parts what;
  if (!read_call(args, keywords, "blocking", what)) {
    return nullptr;
  }
  blocking_wait calling(state_of(module), std::move(what.function), std::move(what.args), std::move(what.keywords),
                        std::move(what.context));
  return block(calling, "blocking()", "await ablocking(...)");
}

PyObject* ablocking(PyObject* module, PyObject* args, PyObject* keywords) {
  call_parts what;
  if (!read_call(args, keywords, "ablocking", what)) {
    return nullptr;
  }
  module_state& state = state_of(module);
  return make_operation<blocking_wait>(state, base::never, "ablocking()", state, std::move(what.function),
                                       std::move(what.args), std::move(what.keywords), std::move(what.context));
}

}  // namespace

PyMethodDef blocking_functions[] = {
    {"blocking", as_method(blocking), METH_VARARGS | METH_KEYWORDS,
     "blocking($module, function, /, *args, **keywords)\n--\n\n"
     "Calls a function that blocks on a thread of its own, while the worker goes on with other tasklets.\n\n"
     "For what waits without martlet's knowledge: files, a resolver, a C library's driver. Context variables are copied. A\n"
     "call that has not begun can be cancelled; one that has is waited for. On a plain thread it is called right there.\n\n"
     "Returns   what the function returns.\n"
     "Throws    what it raises; Cancelled; Misuse in a coroutine: write 'await ablocking(...)'.\n"
     "Suspends  until it has returned.\n"
     "Cost      two hand-overs between threads, and a thread state: some 40 us on CPython 3.11."},
    {"ablocking", as_method(ablocking), METH_VARARGS | METH_KEYWORDS,
     "ablocking($module, function, /, *args, **keywords)\n--\n\n"
     "The awaitable twin of blocking. It is no case for a select: a call that has begun cannot be given up."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace martlet::python
