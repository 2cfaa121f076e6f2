"""What the tests of martlet.stackless.spread share."""

import contextlib
import threading

import pytest

from martlet import stackless


class problem(Exception):
    pass


@contextlib.contextmanager
def spread_over(count):
    """Has fresh tasklets run on so many threads meanwhile."""
    stackless.spread(count)
    try:
        yield
    finally:
        assert stackless.spread(1) == count


@pytest.fixture(params=[2, 4])
def spread(request):
    with spread_over(request.param):
        yield request.param


@pytest.fixture
def busy():
    """Has one worker, which a tasklet keeps busy until the event is set: what is offered lies there until this thread takes it."""
    started, ends = threading.Event(), threading.Event()

    def keeps():
        started.set()
        ends.wait()

    with spread_over(2):
        stackless.tasklet(keeps)()
        started.wait()  # the worker has taken it: this thread does not run any
        yield ends
        ends.set()
        stackless.run()


def count(to):
    """Computes for a while."""
    n = 0
    while n < to:
        n += 1
    return n
