#pragma once

namespace martlet::detail {

/// Has the process say which tasklet it was when one overflows its stack, before it dies of that.
///
/// Handles SIGSEGV and SIGBUS for the whole process. A fault in the guard page of a stack of ours writes one block of
/// text to stderr: that a stack overflowed, how large it is, where its tasklet was spawned, on which worker it ran and
/// what to do; so does one in the guard page of a worker's own thread, whose stack coroutines run on. That fault and all
/// others then go to whoever handled them before, as if nobody had been in between: by default the process dies of the
/// signal, at the instruction that faulted, so exit status and core dump are right.
/// Under a sanitizer its own report follows.
///
/// Only threads whose host wants it (`reports_overflow_`) and that have an alternate signal stack can say it.
///
/// Installed with the first call and for good: taking a handler away could take away one that somebody else has put on
/// top since, and where no guard is hit this one does nothing but pass on. A later call installs it again only where
/// the default action has been put back; a handler of somebody else's on top is left alone, since it may call this one.
///
/// Threads   any.
/// Cost      a few system calls.
void report_overflows() noexcept;

}  // namespace martlet::detail
