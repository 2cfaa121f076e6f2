#include "arguments.hpp"
#include "channel.hpp"
#include "operation.hpp"

#include <vector>

namespace martlet::python {
namespace {

// ---- the wait

struct choice_parts {
  std::vector<object> operations;
  std::vector<detail::select_case> cases;  // of these, and the limit's behind them
  std::vector<detail::wait_core*> cores;
  detail::sleep_operation limit{base::never};
  base::instant due = base::never;
  std::optional<detail::select_wait> select;  // once it had to wait

  wait& at(std::size_t index) const noexcept {
    return reinterpret_cast<operation_object*>(operations[index].get())->inner();
  }
};

/// Waits for the first of several operations.
class choice_wait final : public wait {
 public:
  choice_wait(module_state& state, std::unique_ptr<choice_parts> parts) noexcept
      : state_(state), parts_(std::move(parts)) {}

  bool try_at_once(detail::tasklet* who) override;
  bool prepare(detail::tasklet* who) override;
  bool publish() noexcept override { return parts_->select->publish(); }
  PyObject* finish() override;
  PyObject* case_result() override { return finish(); }
  module_state& state() const noexcept override { return state_; }
  bool yields_first() const noexcept override { return has(&wait::yields_first); }
  bool occupies_thread() const noexcept override { return has(&wait::occupies_thread); }
  void undo(PyObject* result) override { parts_->at(done_).undo(PyStructSequence_GetItem(result, 1)); }
  int traverse(visitproc visit, void* arg) const override {
    for (const object& one : parts_->operations) {
      Py_VISIT(one.get());
    }
    return 0;
  }

 private:
  static constexpr std::size_t none = SIZE_MAX;

  bool has(bool (wait::*trait)() const noexcept) const noexcept {
    for (std::size_t i = 0; i < parts_->operations.size(); ++i) {
      if ((parts_->at(i).*trait)()) {
        return true;
      }
    }
    return false;
  }
  PyObject* result_of(std::size_t index, PyObject* value);

  module_state& state_;
  std::unique_ptr<choice_parts> parts_;
  std::size_t done_ = none;
};

// Each is tried by itself, beginning anywhere; times come last, so that a time of 0 makes a select that does not wait.
bool choice_wait::try_at_once(detail::tasklet* who) {
  const std::size_t count = parts_->operations.size();
  detail::host* here = detail::current_host();
  const std::size_t from = here == nullptr ? static_cast<std::size_t>(base::cycles() >> 4) : here->random();
  for (const bool times : {false, true}) {
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t index = (from + i) % count;
      const bool is_time = parts_->cases[index].core == nullptr;
      if (is_time == times && parts_->at(index).try_at_once(who)) {
        done_ = index;
        return true;
      }
    }
  }
  if (parts_->due <= base::now()) {
    done_ = count;
    return true;
  }
  return false;
}

bool choice_wait::prepare(detail::tasklet* who) {
  parts_->select.emplace(parts_->cases, parts_->cores);
  return parts_->select->prepare(who);
}

PyObject* choice_wait::finish() {
  const bool at_once = done_ != none;
  if (!at_once) {
    try {
      done_ = parts_->select->finish();
    } catch (...) {
      return raise_what_was_caught(state_);
    }
  }
  if (done_ == parts_->operations.size()) {
    PyErr_SetString(state_.deadline_passed, "none of the cases could be done in the time that was allowed");
    return nullptr;
  }
  wait& chosen = parts_->at(done_);
  return result_of(done_, at_once ? chosen.finish() : chosen.case_result());
}

// An exception tells with its attribute `case` which case it comes from.
PyObject* choice_wait::result_of(std::size_t index, PyObject* value) {
  const object number = object::take(PyLong_FromSize_t(index));
  if (value == nullptr) {
    object error = take_error();
    if (!number || PyObject_SetAttrString(error.get(), "case", number.get()) < 0) {
      PyErr_Clear();
    }
    raise_again(std::move(error));
    return nullptr;
  }
  object mine = object::take(value);
  PyObject* result = number ? PyStructSequence_New(state_.selected_type) : nullptr;
  if (result != nullptr) {
    PyStructSequence_SetItem(result, 0, number.new_reference());
    PyStructSequence_SetItem(result, 1, mine.release());
  }
  return result;
}

// ---- the calls

// Makes an operation out of what stands as a case.
object operation_of(module_state& state, PyObject* given) {
  if (Py_IS_TYPE(given, state.operation_type)) {
    return object::share(given);
  }
  if (PyObject_TypeCheck(given, state.channel_type)) {
    return object::take(make_operation<receive_wait>(state, base::never, "a case of a select",
                                                     reinterpret_cast<channel_object*>(given)));
  }
  if (Py_IS_TYPE(given, state.handle_type)) {
    return object::take(make_operation<join_wait>(state, base::never, "a case of a select",
                                                  reinterpret_cast<handle_object*>(given)));
  }
  PyErr_Format(PyExc_TypeError,
               "a case of a select is a channel (to receive from), a handle (to join), or an operation such as "
               "channel.asend(value) or asleep(seconds), not awaited; found %s",
               Py_TYPE(given)->tp_name);
  return {};
}

// Returns   null with an exception set.
std::unique_ptr<choice_parts> read_cases(module_state& state, PyObject* const* given, Py_ssize_t count,
                                         base::instant due) {
  auto parts = std::make_unique<choice_parts>();
  parts->operations.reserve(static_cast<std::size_t>(count));
  for (Py_ssize_t i = 0; i < count; ++i) {
    object one = operation_of(state, given[i]);
    if (!one) {
      return nullptr;
    }
    auto* op = reinterpret_cast<operation_object*>(one.get());
    const detail::select_case as_case = op->inner().as_case();
    if (op->limit != nullptr || as_case.node == nullptr) {
      PyErr_Format(PyExc_TypeError,
                   op->limit != nullptr ? "%s has a timeout of its own and cannot be a case of a select: give the "
                                          "timeout to the select"
                                        : "%s cannot be a case of a select",
                   op->call);
      return nullptr;
    }
    if (!take_operation(op)) {
      return nullptr;
    }
    parts->cases.push_back(as_case);
    parts->operations.push_back(std::move(one));
  }
  parts->cores.resize(parts->operations.size());
  parts->due = due;
  if (due != base::never) {
    std::destroy_at(&parts->limit);
    std::construct_at(&parts->limit, due);
    parts->cases.push_back(detail::select_case::of(parts->limit));
  }
  return parts;
}

std::unique_ptr<choice_parts> read_select(PyObject* module, PyObject* const* given, Py_ssize_t count,
                                          PyObject* keywords, const char* call) {
  PyObject* timeout = nullptr;
  if (keywords != nullptr) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(keywords); ++i) {
      if (PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(keywords, i), "timeout") != 0) {
        PyErr_Format(PyExc_TypeError, "%s() has no argument '%U'", call, PyTuple_GET_ITEM(keywords, i));
        return nullptr;
      }
      timeout = given[count + i];
    }
  }
  base::instant due = 0;
  if (!read_limit(timeout, due)) {
    return nullptr;
  }
  if (count == 0 && due == base::never) {
    PyErr_Format(PyExc_TypeError, "%s() without a case and without a timeout would wait for ever", call);
    return nullptr;
  }
  try {
    return read_cases(state_of(module), given, count, due);
  } catch (...) {
    raise_what_was_caught(state_of(module));
    return nullptr;
  }
}

PyObject* select(PyObject* module, PyObject* const* given, Py_ssize_t count, PyObject* keywords) {
  auto parts = read_select(module, given, count, keywords, "select");
  if (parts == nullptr) {
    return nullptr;
  }
  choice_wait choice(state_of(module), std::move(parts));
  return block(choice, "select()", "await aselect(...)");
}

PyObject* aselect(PyObject* module, PyObject* const* given, Py_ssize_t count, PyObject* keywords) {
  auto parts = read_select(module, given, count, keywords, "aselect");
  if (parts == nullptr) {
    return nullptr;
  }
  module_state& state = state_of(module);
  return make_operation<choice_wait>(state, base::never, "aselect()", state, std::move(parts));
}

PyStructSequence_Field fields[] = {
    {"case", "which case was done: its place among the arguments"},
    {"value", "what it gave: the received value, the joined result, else None"},
    {nullptr, nullptr},
};

PyStructSequence_Desc description = {
    .name = "martlet.selected",
    .doc = "What a select tells: which case was done, and what it gave.",
    .fields = fields,
    .n_in_sequence = 2,
};

}  // namespace

PyMethodDef select_functions[] = {
    {"select", as_method(select), METH_FASTCALL | METH_KEYWORDS,
     "select($module, /, *cases, timeout=None)\n--\n\n"
     "Waits for whichever of several things can be done first, and does that one only.\n\n"
     "Takes     cases: a channel (receives from it), a handle (joins it), or an operation that has not been awaited:\n"
     "          channel.asend(value), channel.areceive(), handle.ajoin(), asleep(seconds). Of several that can be done\n"
     "          a random one is. timeout: how many seconds at most.\n"
     "Returns   (case, value): which case, and what it gave.\n"
     "Throws    what that case raises (ChannelClosed, a joined tasklet's error), with its attribute 'case' telling\n"
     "          which case; DeadlinePassed; Cancelled; Misuse in a coroutine: write 'await aselect(...)'.\n"
     "Suspends  the tasklet, or the thread."},
    {"aselect", as_method(aselect), METH_FASTCALL | METH_KEYWORDS,
     "aselect($module, /, *cases, timeout=None)\n--\n\nThe awaitable twin of select."},
    {nullptr, nullptr, 0, nullptr},
};

bool make_selected_type(PyObject* module, module_state& state) {
  state.selected_type = PyStructSequence_NewType(&description);
  return state.selected_type != nullptr && PyModule_AddType(module, state.selected_type) == 0;
}

}  // namespace martlet::python
