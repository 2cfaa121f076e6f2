"""The API of Stackless Python on a stock CPython: tasklets and channels on one thread, in an order that is always the same.

An old program runs with one import changed, `from martlet import stackless`, or unchanged with `python -m martlet.stackless`.
"""

import contextlib
import sys
import types
from collections import deque

from martlet import _martlet

_native = sys.modules.get("martlet._stackless")
if _native is None:
    _native = sys.modules["martlet._stackless"] = _martlet._make_stackless()

globals().update({name: value for name, value in vars(_native).items() if not name.startswith("_")})

PICKLEFLAGS_PRESERVE_TRACING_STATE = 1
PICKLEFLAGS_PRESERVE_AG_FINALIZER = 2
PICKLEFLAGS_RESET_AG_FINALIZER = 4
PICKLEFLAGS_PICKLE_CONTEXT = 8


class QueueChannel(_native.channel):
    """A channel that keeps what nobody waits for, so that a sender never waits."""

    def __init__(self):
        super().__init__()
        self.data_queue = deque()
        self.preference = 1

    @property
    def balance(self):
        """How many values are kept; as a negative number, how many tasklets wait for one."""
        return len(self.data_queue) or super().balance

    def __len__(self):
        return len(self.data_queue)

    def __bool__(self):
        return True

    def send(self, value):
        """Gives a value to the tasklet that has been waiting for longest, or keeps it."""
        if super().balance < 0 or self.closing:
            super().send(value)  # when it is closing and nobody waits: the error that every channel raises
        else:
            self.data_queue.append((True, value))

    def send_exception(self, exc, *args):
        """Sends exc(*args), which is raised where it is received."""
        self.send_throw(exc, args)

    def send_throw(self, exc, val=None, tb=None):
        """Sends an exception, which is raised where it is received."""
        if super().balance < 0 or self.closing:
            super().send_throw(exc, val, tb)
        else:
            self.data_queue.append((False, (exc, val, tb)))

    def send_sequence(self, seq):
        """Sends all that an iterable gives, and returns how many."""
        count = 0
        for count, value in enumerate(seq, 1):
            self.send(value)
        return count

    def receive(self):
        """Takes the value that has been kept for longest; waits for one if there is none."""
        if not self.data_queue:
            return super().receive()
        is_value, value = self.data_queue.popleft()
        if is_value:
            return value
        exc, val, tb = value
        del value
        if isinstance(exc, type):
            exc = exc(*val) if isinstance(val, tuple) else val if isinstance(val, exc) else exc() if val is None else exc(val)
        try:
            raise exc.with_traceback(tb)
        finally:
            del exc, val, tb

    def __next__(self):
        return self.receive() if self.data_queue else super().__next__()

    @property
    def closed(self):
        """Whether close was called and nothing is kept."""
        return self.closing and not self.balance


@contextlib.contextmanager
def block_trap(trap=True):
    """A with block in which the current tasklet gets an error instead of being blocked."""
    who = _native.getcurrent()
    before = who.block_trap
    who.block_trap = trap
    try:
        yield
    finally:
        who.block_trap = before


class _Stackless(types.ModuleType):
    """A module some of whose attributes are asked for anew each time."""

    current = property(lambda self: _native.getcurrent(), doc="The tasklet that runs.")
    main = property(lambda self: _native.getmain(), doc="The main tasklet of this thread.")
    runcount = property(lambda self: _native.getruncount(), doc="How many tasklets of this thread are runnable.")
    threads = property(lambda self: _native.getthreads(), doc="The identifiers of all threads that run Python.")
    debug = property(lambda self: _native.getdebug(), doc="Whether the interpreter is a debug build.")
    uncollectables = property(lambda self: _native.getuncollectables(), doc="The tasklets that have a C stack.")

    @property
    def pickle_with_tracing_state(self):
        """Whether pickle_flags has PICKLEFLAGS_PRESERVE_TRACING_STATE."""
        return bool(_native.pickle_flags() & PICKLEFLAGS_PRESERVE_TRACING_STATE)

    @pickle_with_tracing_state.setter
    def pickle_with_tracing_state(self, is_on):
        flags = PICKLEFLAGS_PRESERVE_TRACING_STATE if is_on else 0
        _native.pickle_flags(flags, PICKLEFLAGS_PRESERVE_TRACING_STATE)
        _native.pickle_flags_default(flags, PICKLEFLAGS_PRESERVE_TRACING_STATE)


stackless = sys.modules[__name__]  # an old habit of programs: stackless.stackless
stackless.__class__ = _Stackless
