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

}  // namespace martlet::python::stackless
