#include <martlet/python/error.hpp>

#include <string>

#include <martlet/channel/errors.hpp>
#include <martlet/tasklet/errors.hpp>

#include "embedding.hpp"

namespace martlet::python {
namespace {

const char* type_name(PyObject* exception) noexcept {
  return PyExceptionClass_Name(reinterpret_cast<PyObject*>(Py_TYPE(exception)));
}

// Returns   what it says; "" for nothing, and when its __str__ fails.
std::string text_of(PyObject* exception) {
  const object said = object::take(PyObject_Str(exception));
  const char* words = said ? PyUnicode_AsUTF8(said.get()) : nullptr;
  PyErr_Clear();
  return words == nullptr ? "" : words;
}

std::string describe(PyObject* exception) {
  const std::string text = text_of(exception);
  return text.empty() ? type_name(exception) : std::string(type_name(exception)) + ": " + text;
}

}  // namespace

error::error(reference exception)
    : runtime_error(describe(exception.get())), exception_(std::make_shared<const reference>(std::move(exception))) {}

const char* error::type() const noexcept { return type_name(exception()); }

void throw_raised() {
  object raised = take_error();
  if (!raised) {
    throw misuse(
        "throw_raised: Python has raised nothing on this thread; reference::take is for new references, and null only when "
        "something was raised");
  }
  const auto is = [&](PyObject* type) { return PyErr_GivenExceptionMatches(raised.get(), type) != 0; };
  if (const module_state* state = find_state(); state != nullptr) {
    if (is(state->cancelled)) {
      throw cancelled();
    }
    if (is(state->channel_closed)) {
      throw channel_closed();
    }
    if (is(state->deadline_passed)) {
      throw deadline_passed();
    }
    if (is(state->misuse)) {
      throw misuse(text_of(raised.get()));
    }
  }
  throw error(reference::take(raised.release()));
}

}  // namespace martlet::python
