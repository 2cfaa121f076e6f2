#pragma once

#include <martlet/python.hpp>

#include <stdexcept>
#include <string>

#include <martlet/martlet.hpp>

/// What tests of embedding say again and again. All of it may be said by any tasklet of a run, and on attached threads.
namespace martlet::testing {

/// Starts the process's interpreter, once; signals stay the process's own.
inline void start_python() {
  if (Py_IsInitialized() == 0) {
    Py_InitializeEx(0);
    python::install();
  }
}

/// Attaches whoever calls, but for a plain thread, which is attached already.
inline void use_python() {
  if (martlet::detail::current_host() != nullptr) {
    python::attach();
  }
}

/// What a piece of Python code defines. Made attached.
class python_code {
 public:
  explicit python_code(const char* code) : names_(python::reference::take(PyDict_New())) {
    PyDict_SetItemString(names_.get(), "__builtins__", PyEval_GetBuiltins());
    python::reference::take(PyRun_String(code, Py_file_input, names_.get(), names_.get()));
  }

  /// Returns   what has a name there, borrowed.
  PyObject* operator[](const char* name) const {
    use_python();
    PyObject* found = PyDict_GetItemString(names_.get(), name);
    if (found == nullptr) {
      throw std::runtime_error(std::string("the Python code of a test defines no ") + name);
    }
    return found;
  }

 private:
  python::reference names_;
};

inline python::reference number(long value) {
  use_python();
  return python::reference::take(PyLong_FromLong(value));
}

inline python::reference text(const std::string& value) {
  use_python();
  return python::reference::take(PyUnicode_FromStringAndSize(value.data(), static_cast<Py_ssize_t>(value.size())));
}

inline long number_of(const python::reference& of) {
  use_python();
  const long value = PyLong_AsLong(of.get());
  if (value == -1 && PyErr_Occurred() != nullptr) {
    python::throw_raised();
  }
  return value;
}

inline std::string text_of(PyObject* of) {
  use_python();
  const auto said = python::reference::take(PyObject_Str(of));
  return PyUnicode_AsUTF8(said.get());
}

/// Keeps the calling thread away from the interpreter for as long as it lives.
class detached {
 public:
  detached() : state_(PyEval_SaveThread()) {}
  detached(const detached&) = delete;
  detached& operator=(const detached&) = delete;
  ~detached() { PyEval_RestoreThread(state_); }

 private:
  PyThreadState* state_;
};

}  // namespace martlet::testing
