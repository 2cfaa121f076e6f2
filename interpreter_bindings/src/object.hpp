#pragma once

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <utility>
#include <vector>

namespace martlet::python {

/// Owns one reference to a Python object, or none.
///
/// Moving it never runs Python code, so channels may move it under their locks. Dropping it may run anything (a
/// destructor written in Python), so it is dropped only on a thread that is attached to the interpreter and holds no
/// lock of ours.
class object {
 public:
  object() noexcept = default;
  object(object&& other) noexcept : pointer_(std::exchange(other.pointer_, nullptr)) {}
  object& operator=(object&& other) noexcept {
    object(std::move(other)).swap(*this);
    return *this;
  }
  ~object() { Py_XDECREF(pointer_); }

  /// Takes over a new reference, or null.
  static object take(PyObject* reference) noexcept {
    object result;
    result.pointer_ = reference;
    return result;
  }

  /// Adds a reference to a borrowed one, or null.
  static object share(PyObject* borrowed) noexcept { return take(Py_XNewRef(borrowed)); }

  void swap(object& other) noexcept { std::swap(pointer_, other.pointer_); }
  PyObject* get() const noexcept { return pointer_; }
  PyObject* release() noexcept { return std::exchange(pointer_, nullptr); }
  PyObject* new_reference() const noexcept { return Py_XNewRef(pointer_); }
  explicit operator bool() const noexcept { return pointer_ != nullptr; }

 private:
  PyObject* pointer_ = nullptr;
};

/// Returns   a list of them, null with an exception set.
inline PyObject* list_of(std::vector<object> objects) noexcept {
  PyObject* list = PyList_New(static_cast<Py_ssize_t>(objects.size()));
  for (std::size_t i = 0; list != nullptr && i < objects.size(); ++i) {
    PyList_SET_ITEM(list, static_cast<Py_ssize_t>(i), objects[i].release());
  }
  return list;
}

/// Takes the exception that is being raised, with its traceback; null when there is none.
inline object take_error() noexcept {
#if PY_VERSION_HEX >= 0x030C0000
  return object::take(PyErr_GetRaisedException());
#else
  PyObject* type = nullptr;
  PyObject* value = nullptr;
  PyObject* traceback = nullptr;
  PyErr_Fetch(&type, &value, &traceback);
  if (type == nullptr) {
    return {};
  }
  PyErr_NormalizeException(&type, &value, &traceback);
  if (traceback != nullptr) {
    PyException_SetTraceback(value, traceback);
  }
  Py_DECREF(type);
  Py_XDECREF(traceback);
  return object::take(value);
#endif
}

/// Raises an exception that was taken, as it was.
inline void raise_again(object error) noexcept {
#if PY_VERSION_HEX >= 0x030C0000
  PyErr_SetRaisedException(error.release());
#else
  PyObject* type = Py_NewRef(reinterpret_cast<PyObject*>(Py_TYPE(error.get())));
  PyObject* traceback = PyException_GetTraceback(error.get());
  PyErr_Restore(type, error.release(), traceback);
#endif
}

/// Keeps the exception that is being raised (if any) out of the way, and raises it again at the end.
class error_set_aside {
 public:
  error_set_aside() noexcept : error_(take_error()) {}
  error_set_aside(const error_set_aside&) = delete;
  error_set_aside& operator=(const error_set_aside&) = delete;
  ~error_set_aside() {
    if (error_) {
      raise_again(std::move(error_));
    }
  }

 private:
  object error_;
};

}  // namespace martlet::python
