#pragma once

#include "thread.hpp"

namespace martlet::python::stackless {

/// Counts bytecodes for the `run` with a time limit, and calls `interrupt` (schedule.hpp) between two of them.
///
/// All are called on the thread itself, attached.

/// Begins: after about `limit` bytecodes of this thread `interrupt` is called. Returns false with an exception set.
bool arm(thread& here, long limit);

/// Begins a slice anew, because another tasklet goes on.
void begin_slice(thread& here) noexcept;

/// Has `interrupt` called as soon as possible: what was pending may be done now.
void interrupt_soon(thread& here) noexcept;

/// Ends.
void disarm(thread& here) noexcept;

}  // namespace martlet::python::stackless
