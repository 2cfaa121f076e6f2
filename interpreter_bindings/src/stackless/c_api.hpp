#pragma once

#include "channel.hpp"

#include <martlet/stackless.h>

/// The functions of `<martlet/stackless.h>`, which says what they do. Each looks at its arguments, and does what the method of that
/// name does.
namespace martlet::python::stackless::c_api {

/// Returns   the layer of the interpreter that the thread is attached to; null with an exception set.
layer* find_layer();

/// Returns   the record of the calling thread, for a call that may switch; null with an exception set.
thread* here();

/// Returns   false while an exception is set: it is what a call has failed with whose result was given to this one, and nothing of
///           Python's may run meanwhile.
bool may_run();

/// Returns   false with an exception set for null.
bool is_given(PyObject* one, const char* call, const char* expected);

/// Returns   whether an object is of one of the layer's types. Leaves exceptions as they are.
bool is_of(PyObject* given, PyTypeObject* layer::* type);

/// Returns   what was given; null with an exception set when it is something else.
tasklet* tasklet_of(PyObject* given, const char* call);
channel* channel_of(PyObject* given, const char* call);

/// Makes an object of a class, which null stands for `base`: type(argument), without an argument type().
PyObject* make(PyTypeObject* type, PyTypeObject* base, PyObject* argument, const char* call);

/// Makes what `raise_exception` and `send_exception` of the methods make; null with an exception set.
object bomb_of(layer& home, PyObject* type, PyObject* args, const char* call, const char* method);

/// Makes what `throw` and `send_throw` make; null with an exception set.
object bomb_of(layer& home, PyObject* type, PyObject* value, PyObject* traceback, const char* call);

void add_tasklets(martlet_stackless_api& to);
void add_channels(martlet_stackless_api& to);

}  // namespace martlet::python::stackless::c_api
