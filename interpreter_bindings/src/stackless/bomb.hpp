#pragma once

#include "layer.hpp"

namespace martlet::python::stackless {

/// `stackless.bomb`: an exception that lies in a tasklet as its value, and is raised when the tasklet goes on.
struct bomb {
  PyObject_HEAD PyObject* type;
  PyObject* value;
  PyObject* traceback;
  bool ends_process;  // a SystemExit that left a tasklet of the main thread
};

inline bool is_bomb(layer& home, PyObject* one) noexcept { return Py_IS_TYPE(one, home.bomb_type) != 0; }

/// Makes a bomb of an exception's class and arguments, as `raise_exception` takes them; null with an exception set.
object make_bomb(layer& home, PyObject* type, PyObject* args, const char* call);

/// Makes a bomb of what `throw` takes; null with an exception set.
object make_bomb(layer& home, PyObject* type, PyObject* value, PyObject* traceback);

/// Makes a bomb of the exception that is being raised, and clears that. It never fails: without memory, the bomb is one of
/// MemoryError that was made before.
object bomb_of_error(layer& home) noexcept;

/// Makes a bomb with a RuntimeError.
object runtime_error_bomb(layer& home, const char* text) noexcept;

/// Turns a value that a tasklet was given into what its call returns: raises it when it is a bomb.
///
/// Returns   null with an exception set for a bomb.
PyObject* explode(layer& home, object value) noexcept;

}  // namespace martlet::python::stackless
