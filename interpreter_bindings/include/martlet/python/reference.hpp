#pragma once

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <utility>

namespace martlet::python {

/// Owns a reference to a Python object, or none. Unlike other owners it may be dropped anywhere.
///
/// ```cpp
/// auto text = python::reference::take(PyUnicode_FromString("a"));   // throws what CPython raises
/// ```
///
/// Threads   making one is for attached threads. Moving and dropping: any, one at a time; who drops the last reference to an
///           object runs what its destructor says, and waits for the global lock before that.
class reference {
 public:
  reference() noexcept = default;
  reference(reference&& other) noexcept : pointer_(std::exchange(other.pointer_, nullptr)) {}
  reference& operator=(reference&& other) noexcept {
    reference(std::move(other)).swap(*this);
    return *this;
  }
  ~reference() {
    if (pointer_ != nullptr) {
      drop();
    }
  }

  /// Takes over a new reference, as CPython's functions give it.
  ///
  /// Throws    what Python has raised, when it is null.
  static reference take(PyObject* fresh);

  /// Adds a reference to a borrowed one.
  static reference share(PyObject* borrowed) noexcept {
    reference result;
    result.pointer_ = Py_XNewRef(borrowed);
    return result;
  }

  void swap(reference& other) noexcept { std::swap(pointer_, other.pointer_); }

  /// Returns   it, borrowed; null when there is none.
  PyObject* get() const noexcept { return pointer_; }

  /// Gives it away, as a new reference.
  PyObject* release() noexcept { return std::exchange(pointer_, nullptr); }

 private:
  void drop() noexcept;

  PyObject* pointer_ = nullptr;
};

}  // namespace martlet::python
