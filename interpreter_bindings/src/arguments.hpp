#pragma once

#include "object.hpp"

#include <array>
#include <cstddef>

#include <martlet/base/clock.hpp>

namespace martlet::python {

/// Makes a function of whatever kind what a PyMethodDef holds; its flags say how it is called.
template <class Function>
PyCFunction as_method(Function* function) noexcept {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

/// The flags of a method whose arguments are read by `arguments`.
inline constexpr int with_keywords = METH_METHOD | METH_FASTCALL | METH_KEYWORDS;

/// The arguments of a METH_FASTCALL | METH_KEYWORDS call, sorted under their names.
///
/// Cost      nothing but a loop over what was given; PyArg_ParseTupleAndKeywords takes ten times as long.
template <std::size_t Count>
class arguments {
 public:
  /// Takes     the call's name and its parameters, of which the first `positional` may be given without their name and
  ///           the first `required` must be given.
  constexpr arguments(const char* call, std::array<const char*, Count> names, std::size_t positional,
                      std::size_t required) noexcept
      : call_(call), names_(names), positional_(positional), required_(required) {}

  /// Returns   false with a TypeError set.
  bool parse(PyObject* const* given, Py_ssize_t count, PyObject* keywords) {
    if (static_cast<std::size_t>(count) > positional_) {
      PyErr_Format(PyExc_TypeError, "%s() takes at most %zu positional arguments (%zd given)", call_, positional_,
                   count);
      return false;
    }
    for (Py_ssize_t i = 0; i < count; ++i) {
      values_[static_cast<std::size_t>(i)] = given[i];
    }
    const Py_ssize_t named = keywords == nullptr ? 0 : PyTuple_GET_SIZE(keywords);
    for (Py_ssize_t i = 0; i < named; ++i) {
      if (!take_keyword(PyTuple_GET_ITEM(keywords, i), given[count + i])) {
        return false;
      }
    }
    for (std::size_t i = 0; i < required_; ++i) {
      if (values_[i] == nullptr) {
        PyErr_Format(PyExc_TypeError, "%s() needs the argument '%s'", call_, names_[i]);
        return false;
      }
    }
    return true;
  }

  /// Returns   a borrowed reference, null when it was not given.
  PyObject* operator[](std::size_t index) const noexcept { return values_[index]; }

 private:
  bool take_keyword(PyObject* name, PyObject* value) {
    for (std::size_t i = 0; i < Count; ++i) {
      if (PyUnicode_CompareWithASCIIString(name, names_[i]) == 0) {
        if (values_[i] != nullptr) {
          PyErr_Format(PyExc_TypeError, "%s() got the argument '%s' twice", call_, names_[i]);
          return false;
        }
        values_[i] = value;
        return true;
      }
    }
    PyErr_Format(PyExc_TypeError, "%s() has no argument '%U'", call_, name);
    return false;
  }

  const char* call_;
  std::array<const char*, Count> names_;
  std::size_t positional_;
  std::size_t required_;
  std::array<PyObject*, Count> values_{};
};

/// Reads a time limit: None (or null) is no limit, else seconds from now.
///
/// Returns   false with an exception set.
inline bool read_limit(PyObject* seconds, base::instant& due) {
  due = base::never;
  if (seconds == nullptr || seconds == Py_None) {
    return true;
  }
  const double value = PyFloat_AsDouble(seconds);
  if (value == -1.0 && PyErr_Occurred() != nullptr) {
    return false;
  }
  if (value != value) {
    PyErr_SetString(PyExc_ValueError, "a time is a number of seconds; found nan");
    return false;
  }
  due = value <= 0 ? 0 : base::after(base::now(), std::chrono::duration<double>(value));
  return true;
}

}  // namespace martlet::python
