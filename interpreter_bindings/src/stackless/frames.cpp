// The interpreter's own headers, which only its parts include otherwise; before Python.h comes from anywhere else.
#define Py_BUILD_CORE 1
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <opcode.h>

#include <internal/pycore_frame.h>
#if PY_VERSION_HEX >= 0x030E0000
#include <internal/pycore_interpframe.h>
#include <internal/pycore_interpframe_structs.h>
#endif

#include "frames.hpp"

#include <cstring>

namespace martlet::python::stackless::frames {
namespace {

using frame = _PyInterpreterFrame;

// The first frame of a saved state, the first one of a thread.
frame* first_of(const saved_thread_state& of) noexcept {
#if PY_VERSION_HEX < 0x030D0000
  return of.cframe->current_frame;
#else
  return of.frame;
#endif
}

frame* first_of(PyThreadState* of) noexcept {
#if PY_VERSION_HEX < 0x030D0000
  return of->cframe->current_frame;
#else
  return of->current_frame;
#endif
}

// From 3.12 on a frame without code stands where a C function has called the interpreter; before that, the called one says so.
bool is_code(const frame* one) noexcept {
#if PY_VERSION_HEX < 0x030C0000
  static_cast<void>(one);
  return true;
#else
  return one->owner <= FRAME_OWNED_BY_FRAME_OBJECT;
#endif
}

frame* next_code(frame* one) noexcept {
  while (one != nullptr && !is_code(one)) {
    one = one->previous;
  }
  return one;
}

bool is_called_from_c(const frame* one) noexcept {
#if PY_VERSION_HEX < 0x030C0000
  return one->is_entry;
#else
  return one->previous == nullptr || !is_code(one->previous);
#endif
}

#if PY_VERSION_HEX < 0x030D0000
PyCodeObject* code_of(const frame* one) noexcept { return one->f_code; }
_Py_CODEUNIT* instruction_of(const frame* one) noexcept { return one->prev_instr; }
void set_instruction(frame* one, _Py_CODEUNIT* to) noexcept { one->prev_instr = to; }
#else
PyCodeObject* code_of(const frame* one) noexcept { return _PyFrame_GetCode(const_cast<frame*>(one)); }
_Py_CODEUNIT* instruction_of(const frame* one) noexcept { return one->instr_ptr; }
void set_instruction(frame* one, _Py_CODEUNIT* to) noexcept { one->instr_ptr = to; }
#endif

int offset_of(const frame* one) noexcept {
  const auto units = instruction_of(one) - reinterpret_cast<_Py_CODEUNIT*>(code_of(one)->co_code_adaptive);
  return static_cast<int>(units) * static_cast<int>(sizeof(_Py_CODEUNIT));
}

int depth_from(frame* one) noexcept {
  int count = 0;
  for (one = next_code(one); one != nullptr; one = next_code(one->previous)) {
    ++count;
  }
  return count;
}

// Whether an instruction calls what stands on the value stack; all others call by themselves what their objects' classes define.
bool is_call(int opcode) noexcept {
  switch (opcode) {
#ifdef PRECALL
    case PRECALL:
#else
    case CALL_FUNCTION_EX:
#endif
#ifdef CALL_KW
    case CALL_KW:
#endif
    case CALL: return true;
    default: return false;
  }
}

// A class's call runs these, whatever C function lies between.
bool is_part_of_a_call(PyCodeObject* called) noexcept {
  for (const char* name : {"__init__", "__new__", "__call__"}) {
    if (PyUnicode_CompareWithASCIIString(called->co_name, name) == 0) {
      return true;
    }
  }
  return false;
}

int nesting_from(frame* one) {
  int level = 0;
  one = next_code(one);
  while (one != nullptr) {
    frame* caller = next_code(one->previous);
    if (caller != nullptr && is_called_from_c(one) && !is_part_of_a_call(code_of(one))) {
      const object bytes = object::take(PyCode_GetCode(code_of(caller)));  // as it was compiled
      if (!bytes) {
        return -1;
      }
      const int at = offset_of(caller);
      level += at >= 0 && is_call(static_cast<unsigned char>(PyBytes_AS_STRING(bytes.get())[at])) ? 1 : 0;
    }
    one = caller;
  }
  return level;
}

#if PY_VERSION_HEX < 0x030E0000
using slot = PyObject*;

PyObject* owned(slot one) noexcept { return one; }

// Where the value stack ends, its beginning when that is not known: only while the interpreter is in another frame, it is noted.
const slot* end_of_values(const frame* one, PyObject* const* arguments) noexcept {
  const PyCodeObject* code = code_of(one);
  const slot* values = one->localsplus + code->co_nlocalsplus;
  if (one->stacktop >= 0) {
    return one->localsplus + one->stacktop;
  }
  return arguments >= values && arguments <= values + code->co_stacksize ? arguments : values;
}
#else
using slot = _PyStackRef;

PyObject* owned(slot one) noexcept {
  return PyStackRef_IsNull(one) || !PyStackRef_RefcountOnObject(one) ? nullptr : PyStackRef_AsPyObjectBorrow(one);
}

const slot* end_of_values(const frame* one, PyObject* const*) noexcept { return one->stackpointer; }
#endif

int visit_frame(frame* one, PyObject* const* arguments, visitproc visit, void* arg) {
  Py_VISIT(reinterpret_cast<PyObject*>(one->frame_obj));
  Py_VISIT(one->f_locals);
#if PY_VERSION_HEX < 0x030D0000
  Py_VISIT(reinterpret_cast<PyObject*>(one->f_code));
#if PY_VERSION_HEX < 0x030C0000
  Py_VISIT(reinterpret_cast<PyObject*>(one->f_func));
#else
  Py_VISIT(one->f_funcobj);
#endif
#else
  Py_VISIT(owned(one->f_executable));
  Py_VISIT(owned(one->f_funcobj));
#endif
  const slot* end = end_of_values(one, arguments);
  for (const slot* each = one->localsplus; each < end; ++each) {
    Py_VISIT(owned(*each));
  }
  return 0;
}

}  // namespace

position innermost(PyThreadState* of) noexcept {
  const frame* one = next_code(first_of(of));
  if (one == nullptr) {
    return {};
  }
  return {reinterpret_cast<PyCodeObject*>(Py_NewRef(reinterpret_cast<PyObject*>(code_of(one)))), offset_of(one)};
}

int depth(const saved_thread_state& of) noexcept { return depth_from(first_of(of)); }
int depth(PyThreadState* of) noexcept { return depth_from(first_of(of)); }
int nesting(const saved_thread_state& of) { return nesting_from(first_of(of)); }
int nesting(PyThreadState* of) { return nesting_from(first_of(of)); }

// A generator's frame is not visited: the generator does that.
int visit(const saved_thread_state& of, PyObject* const* arguments, visitproc visitor, void* with) {
  frame* one = next_code(first_of(of));
  while (one != nullptr) {
    if (one->owner == FRAME_OWNED_BY_THREAD) {
      if (const int stop = visit_frame(one, arguments, visitor, with); stop != 0) {
        return stop;
      }
    }
    arguments = nullptr;  // they belong to the innermost one
    one = next_code(one->previous);
  }
  return 0;
}

bool forget_handlers(const saved_thread_state& of) {
  for (frame* one = next_code(first_of(of)); one != nullptr; one = next_code(one->previous)) {
    PyCodeObject* old = code_of(one);
    const object arguments = object::take(Py_BuildValue("{s:y#}", "co_exceptiontable", "", Py_ssize_t{0}));
    const object nothing = object::take(PyTuple_New(0));
    const object replace = object::take(PyObject_GetAttrString(reinterpret_cast<PyObject*>(old), "replace"));
    object code =
        object::take(arguments && nothing && replace ? PyObject_Call(replace.get(), nothing.get(), arguments.get())
                                                     : nullptr);
    if (!code) {
      return false;
    }
    auto* copy = reinterpret_cast<PyCodeObject*>(code.get());
    const auto at = instruction_of(one) - reinterpret_cast<_Py_CODEUNIT*>(old->co_code_adaptive);
#if PY_VERSION_HEX < 0x030D0000
    one->f_code = reinterpret_cast<PyCodeObject*>(code.release());
    const object dropped = object::take(reinterpret_cast<PyObject*>(old));
#elif PY_VERSION_HEX < 0x030E0000
    const object dropped = object::take(std::exchange(one->f_executable, code.release()));
#else
    const object dropped = object::take(owned(one->f_executable));
    one->f_executable = PyStackRef_FromPyObjectSteal(code.release());
#endif
    set_instruction(one, reinterpret_cast<_Py_CODEUNIT*>(copy->co_code_adaptive) + at);
  }
  return true;
}

}  // namespace martlet::python::stackless::frames
