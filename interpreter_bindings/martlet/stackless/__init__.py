"""The API of Stackless Python on a stock CPython: tasklets and channels on one thread, in an order that is always the same, or on several.

An old program runs with one import changed, `from martlet import stackless`, or unchanged with `python -m martlet.stackless`.
"""

import contextlib
import os
import sys
import types

import martlet
from martlet import _martlet

_native = sys.modules.get("martlet._stackless")
if _native is None:
    _native = sys.modules["martlet._stackless"] = _martlet._make_stackless()

globals().update({name: value for name, value in vars(_native).items() if not name.startswith("_")})
_C_API = _native._C_API  # for martlet/stackless.h

from martlet.stackless._spread import spread  # noqa: E402 (it needs the native part)

PICKLEFLAGS_PRESERVE_TRACING_STATE = 1
PICKLEFLAGS_PRESERVE_AG_FINALIZER = 2
PICKLEFLAGS_RESET_AG_FINALIZER = 4
PICKLEFLAGS_PICKLE_CONTEXT = 8


def get_include():
    """Returns the folder of the headers: a C program finds <martlet/stackless.h> there."""
    return os.path.join(os.path.dirname(martlet.__file__), "include")


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
