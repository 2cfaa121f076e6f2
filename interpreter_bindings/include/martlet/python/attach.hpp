#pragma once

namespace martlet::python {

/// Makes this program's martlet the one that Python code imports. `run_here` does it too; call it before that when
/// something imports martlet earlier.
///
/// The Python files of martlet have to be where Python looks for modules: in the environment, or on PYTHONPATH.
///
/// Throws    misuse when there is no interpreter, when the thread is not attached to it, when the files are not found, or
///           when the extension module is loaded already; error when they do not load.
/// Threads   one that is attached to the main interpreter.
void install();

/// Attaches the worker that runs the calling tasklet to the interpreter, until the tasklet waits or ends.
///
/// In between it may call whatever a thread with the global lock may call. Call it again after each wait: whatever runs
/// next on the worker is detached first, unless it is Python. An exception that Python has raised belongs to the tasklet
/// only until then: take it, or `throw_raised`. On a worker that is attached already it costs next to nothing.
///
/// Python code that is called like this is no tasklet: what would block raises Misuse there. It runs on the caller's stack: give
/// a fiber that calls more than small functions one of 1 MiB, and let it wait outside of such calls only.
///
/// Throws    misuse outside of a tasklet of `run_here` (or of a `martlet.run` in the same program).
/// Suspends  never; it waits for the global lock as a thread does, and its worker with it.
void attach();

}  // namespace martlet::python
