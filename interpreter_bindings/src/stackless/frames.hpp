#pragma once

#include "fiber.hpp"

/// What is read out of the interpreter's frames of a tasklet that is suspended, or that calls. Their layout is CPython's own and
/// another one in each version, so nothing else of martlet.stackless looks at them.
namespace martlet::python::stackless::frames {

/// Where code of Python's is at the moment.
struct position {
  PyCodeObject* code = nullptr;  // a new reference
  int offset = 0;                // in bytes
};

/// Returns   where the thread's innermost Python code is; no code when none runs.
/// Cost      some nanoseconds.
position innermost(PyThreadState* of) noexcept;

/// Returns   how many Python frames there are: of a suspended tasklet, or of the one that runs on the thread.
int depth(const saved_thread_state& of) noexcept;
int depth(PyThreadState* of) noexcept;

/// Returns   how many calls from C functions into Python there are among them, but for those that the interpreter itself makes
///           to carry out an instruction, such as that of __enter__ in a with statement. -1 with an exception set.
int nesting(const saved_thread_state& of);
int nesting(PyThreadState* of);

/// Visits the references that the frames of a suspended tasklet own, as far as that can be known: there may be more.
///
/// Takes     the arguments of the call that suspended it, which lie at the end of the innermost frame's value stack when it was
///           the interpreter that called; else anything.
int visit(const saved_thread_state& of, PyObject* const* arguments, visitproc visitor, void* with);

/// Takes the handlers away from the frames of a suspended tasklet, so that an exception that it is given leaves all of them and
/// runs neither `except` nor `finally`.
///
/// Returns   false with an exception set: no memory.
bool forget_handlers(const saved_thread_state& of);

}  // namespace martlet::python::stackless::frames
