#pragma once

#include "thread.hpp"

/// Counts bytecodes for the `run` with a time limit, and calls `interrupt` (schedule.hpp) between two of them.
///
/// What it counts are jumps and the beginnings of functions, each for some bytecodes: so that it is the same in each run of a
/// program. From 3.12 on these come from sys.monitoring, which costs nothing where nobody listens, and is asked for one thread
/// or for all; before that, from the thread's trace function, beside that of the program.
///
/// All are called on the thread itself, attached.
namespace martlet::python::stackless {

/// Begins: after about `limit` bytecodes of this thread `interrupt` is called. Returns false with an exception set.
bool arm(thread& here, long limit);

/// Begins a slice anew, because another tasklet goes on.
void begin_slice(thread& here) noexcept;

/// Has `interrupt` called again before long: what the tasklet is in may be over then.
void postpone(thread& here) noexcept;

/// Has `interrupt` called as soon as possible: what was pending may be done now.
void interrupt_soon(thread& here) noexcept;

/// Ends.
void disarm(thread& here) noexcept;

/// Takes the watchdog off the thread's trace function, so that this is the program's alone, and puts it on again.
void unwatch(thread& here) noexcept;
void watch(thread& here) noexcept;

}  // namespace martlet::python::stackless
