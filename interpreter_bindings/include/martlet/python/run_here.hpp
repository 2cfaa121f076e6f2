#pragma once

#include <type_traits>
#include <utility>

#include <martlet/tasklet/kept_result.hpp>
#include <martlet/tasklet/task.hpp>

namespace martlet::python {

/// Runs a task in the way that `run_here` does.
void run_main(task<> main, unsigned workers);

/// Runs a task as the main tasklet of a scheduler whose workers run Python tasklets too, until it has ended: what
/// `martlet.run` does for a coroutine of Python's.
///
/// Inside, `martlet::spawn` starts tasklets of C++'s and `python::spawn` those of Python's, and Python code spawns there too.
/// When the main tasklet has ended, the Python tasklets that are left are asked to stop and waited for, then those of C++'s.
/// Ctrl-C stops it as it does `martlet.run`, where the program lets Python have the signal (Py_Initialize does).
///
/// Takes     how many threads run tasklets, the calling one included; 0: what MARTLET_WORKERS in the environment says, else
///           one when the interpreter has a global lock (C++'s tasklets may have use for more), else one per core.
/// Returns   what the task returned.
/// Throws    what it threw; error with KeyboardInterrupt or SystemExit, when one of them stopped it; as `install`; misuse inside
///           of a tasklet, and on a thread that runs an asyncio loop.
/// Threads   one that is attached to the main interpreter, as after Py_Initialize, and that is attached again afterwards.
template <class T>
T run_here(task<T> main, unsigned workers = 0) {
  martlet::detail::kept_result<T> result;
  run_main(
      [](task<T> body, [[maybe_unused]] martlet::detail::kept_result<T>& into) -> task<> {
        if constexpr (std::is_void_v<T>) {
          co_await std::move(body);
        } else {
          into.keep(co_await std::move(body));
        }
      }(std::move(main), result),
      workers);
  return result.take();
}

}  // namespace martlet::python
