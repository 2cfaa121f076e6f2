#pragma once

#include "tasklet.hpp"

namespace martlet::python::stackless {

/// How a switch went. `failed`: nothing has changed, and an exception is set; who has changed a chain or a queue for it puts
/// that back.
enum class outcome : std::uint8_t { failed, stayed, switched };

/// Goes on with another tasklet, and returns when `from`, which calls, is to go on.
///
/// Takes     where the next tasklet may lie: in the chain, in a channel's queue, nowhere. Null: the next one of the chain, or
///           when that is empty, whoever waits for that. One of another thread is made runnable there, and `from` goes on.
///           `result` becomes what `from` was given when it went on, null with an exception set for a bomb.
/// Threads   that of `from`.
outcome schedule(thread& here, tasklet& from, tasklet* next, object& result);

/// Refuses a call of a callback, or of a signal's handler while the thread waits: who seems to call is not in the chain.
///
/// Returns   true with an exception set.
bool refuse_while_waiting(const thread& here);

/// Waits for another thread to make a tasklet runnable here, as long as `asks` says that one can. `from` calls, and is in no chain.
///
/// Returns   that tasklet; null when nobody can, or with an exception set, also that of a signal's handler.
object wait_for_others(thread& here, tasklet& from, bool (*asks)(thread& here, bool& answer));

/// `stackless.schedule(value)`, `stackless.schedule_remove(value)`.
///
/// Returns   a new reference; null with an exception set.
PyObject* schedule_next(thread& here, PyObject* value, bool removes_caller);

/// What run with a time limit does when its time is over: goes on with whoever called run, with the current tasklet as
/// what was interrupted, unless that must not be interrupted now; then it is remembered.
///
/// Returns   false with an exception set, for the tasklet, when it goes on.
/// Threads   called on the thread, between two bytecodes of the current tasklet.
bool interrupt(thread& here);

/// Returns   whether the current tasklet may be interrupted in spite of C functions between its frames.
bool may_interrupt_nested(thread& here, tasklet& one);

/// Calls the schedule callback, if there is one. Its exceptions go to stderr.
void notify_schedule(thread& here, tasklet* from, tasklet* to);

/// Calls the channel callback, if there is one. Its exceptions go to stderr.
///
/// Returns   false with an exception set when it is a callback that calls.
bool notify_channel(thread& here, channel& where, tasklet& who, bool sends, bool will_block);

/// What runs on every fiber.
void run_fiber(void* self);

}  // namespace martlet::python::stackless
