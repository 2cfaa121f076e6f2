"""spread, and the threads that it starts."""

import atexit
import operator
import os
import sys
import threading

_native = sys.modules["martlet._stackless"]

MOST = 4096  # threads, as of martlet's own schedulers


class _Mine(threading.local):
    """What each thread has of its own: its workers."""

    def __init__(self):
        self.workers = []


_mine = _Mine()


def spread(workers):
    """Has fresh tasklets of this thread run on so many threads, itself included, and returns how many it were before; 1 turns it off.

    A tasklet that is bound from now on, on any of them, and made runnable is started by whichever has nothing else to run, and stays
    there; bind_thread() keeps it on one thread. No order is promised, and between them the rules are those between threads. run() waits
    for all, and an error that leaves a tasklet on any of them leaves it.

    Threads that end, all of them when there shall be fewer, first run what is runnable on them; tasklets that are blocked there are
    killed.
    """
    workers = operator.index(workers)
    if not 1 <= workers <= MOST:
        raise ValueError(f"spread: the number of threads is 1 to {MOST}, not {workers}")
    _native._check_spread()
    before = 1 + len(_mine.workers)
    if workers < before:
        _end()
    try:
        for number in range(2 + len(_mine.workers), workers + 1):
            _start(f"martlet.stackless-{number}")
    except BaseException:
        _end()
        raise
    return before


def _start(name):
    worker = threading.Thread(target=_native._work, args=(_native._gather(),), name=name, daemon=True)
    worker.start()
    _mine.workers.append(worker)


def _end():
    _native._disband()
    workers, _mine.workers = _mine.workers, []
    for one in workers:
        one.join()


@atexit.register
def _end_at_exit():
    """Ends the workers that are idle, so that tasklets that are blocked there are killed; for those that compute nobody waits."""
    if _mine.workers:
        idle = _native._disband()
        for one in _mine.workers:
            if one.ident in idle:
                one.join()


def _forget():
    """In the child of a fork only the thread is there that has forked."""
    _native._forget_crew()
    _mine.workers = []


os.register_at_fork(after_in_child=_forget)
