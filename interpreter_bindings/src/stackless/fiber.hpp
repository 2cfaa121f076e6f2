#pragma once

#include "../thread_state.hpp"

#include <martlet/tasklet/context.hpp>
#include <martlet/tasklet/fiber.hpp>
#include <martlet/tasklet/stack_pool.hpp>

namespace martlet::python::stackless {

struct tasklet;
struct thread;

/// A C stack with all that belongs to it, for a tasklet that has started: the flow of control, and what the thread state
/// holds of the functions that run there.
///
/// It lies in its own stack. Above it is the first memory for the interpreter's frames, which grow up, and below it the
/// C stack, which grows down: both begin in the same page, so that a tasklet that waits has one or two pages. When its
/// tasklet has ended it runs the next one, or is kept for one to come.
struct fiber {
  detail::context flow;
  saved_thread_state state;
  detail::stack memory;  // null for the main tasklet's, which is the thread's own stack
  thread* home = nullptr;
  tasklet* runs = nullptr;  // borrowed
  fiber* next_spare = nullptr;
  data_stack first_data;  // as it is when nothing runs

  /// Makes a fiber that has not run yet. Throws what stack_pool::take throws.
  static fiber* make(thread& home);

  detail::stack_span c_stack() noexcept { return {memory.low, reinterpret_cast<std::byte*>(this)}; }
};

/// Takes a fiber that runs nothing: one that was kept, else a new one.
///
/// Returns   null with an exception set.
fiber* take_fiber(thread& here);

/// Keeps a fiber that runs nothing, for tasklets to come.
void keep_spare(thread& here, fiber& one) noexcept;

/// Has a tasklet that has not started run on a fiber that runs nothing.
void adopt(thread& here, tasklet& one, fiber& on) noexcept;

/// Leaves the stack of `mine` for that of `other`, whose thread state is loaded; returns when somebody comes back.
void jump(thread& here, fiber& mine, fiber& other) noexcept;

/// Ends a fiber that runs nothing, on its own stack, which goes back; the thread goes on with its `target`.
void finish(fiber& mine) noexcept;

}  // namespace martlet::python::stackless
