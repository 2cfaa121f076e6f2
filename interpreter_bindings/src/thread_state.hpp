#pragma once

#include "object.hpp"

/// The part of a thread state that belongs to the function that runs, per version of CPython.
///
/// Each version's header defines `saved_thread_state` and `can_switch_thread_state`. Where a version is not known,
/// function tasklets are refused with a sentence; coroutine tasklets need public interfaces only and always work.
///
/// Source    greenlet's TPythonState.cpp shows which fields belong to a stack.
#if PY_VERSION_HEX >= 0x030B0000 && PY_VERSION_HEX < 0x030C0000
#include "thread_state_311.hpp"
#elif PY_VERSION_HEX >= 0x030C0000 && PY_VERSION_HEX < 0x030D0000
#include "thread_state_312.hpp"
#elif PY_VERSION_HEX >= 0x030D0000 && PY_VERSION_HEX < 0x030E0000
#include "thread_state_313.hpp"
#elif PY_VERSION_HEX >= 0x030E0A00 && PY_VERSION_HEX < 0x03100000 && !defined(Py_GIL_DISABLED)
#include "thread_state_314.hpp"
#else
#include "thread_state_unknown.hpp"
#endif
