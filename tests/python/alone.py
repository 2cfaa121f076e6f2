"""What the tests of martlet.stackless share: each begins and ends with nobody but the main tasklet."""

import subprocess
import sys
import textwrap

import pytest

from martlet import stackless

HOOKS = (stackless.set_schedule_callback, stackless.set_channel_callback, stackless.set_error_handler)
TRAITS = ("alive", "paused", "blocked", "scheduled", "restorable", "atomic", "ignore_nesting", "is_main", "is_current", "block_trap")


def traits(one):
    """The names of those of a tasklet's attributes that are claims, and true."""
    return {name for name in TRAITS if getattr(one, name)}


def refuses(kind, text, call, *args, **kwargs):
    """Fails unless a call raises an exception of exactly this class with exactly this text."""
    with pytest.raises(kind) as caught:
        call(*args, **kwargs)
    assert (type(caught.value), str(caught.value)) == (kind, text)


def chain():
    """The names of the tasklets of this thread in the order in which they run, the current one first."""
    first = one = stackless.getcurrent()
    names = []
    while True:
        names.append(getattr(one, "name", "main" if one.is_main else "?"))
        one = one.next
        if one is first:
            return names


class named(stackless.tasklet):
    """A tasklet with a name, which writes that into a log when it runs."""

    def __new__(cls, name, log, what=None):
        return super().__new__(cls)

    def __init__(self, name, log, what=None):
        self.name, self.log = name, log
        super().__init__(self.act, (what,))

    def act(self, what):
        self.log.append(self.name)
        if what is not None:
            what(self)


def add(names, log, what=None):
    """Makes a tasklet of each letter, and inserts it."""
    return [named(name, log, what).insert() for name in names]


def make_alone():
    """Ends what a test has left: tasklets of this thread, hooks, traps, in as much as they can be found."""
    for set_hook in HOOKS:
        set_hook(None)
    stackless.switch_trap(-stackless.switch_trap(0))
    while stackless.getruncount() > 1:
        try:
            stackless.getcurrent().next.kill()
        except BaseException:
            pass


@pytest.fixture
def alone():
    """Sees to it that a test is not disturbed by what a failed one has left, and that it leaves nothing itself."""
    make_alone()
    yield
    left = chain(), [set_hook(None) for set_hook in HOOKS], stackless.switch_trap(0), stackless.getcurrent().block_trap
    make_alone()
    stackless.getcurrent().block_trap = False
    assert left == (["main"], [None] * 3, 0, False)


def program(text, *arguments, code=0, before=(), timeout=60):
    """Runs a program in a process of its own.

    Returns   what it has written to stdout and to stderr.
    """
    command = [sys.executable, "-X", "faulthandler", *before, "-c", "from martlet import stackless\n" + textwrap.dedent(text), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return done.stdout, done.stderr
