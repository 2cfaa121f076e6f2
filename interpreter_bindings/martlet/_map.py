"""A function of many values, each in a tasklet."""

from collections import deque
from itertools import islice

from martlet._martlet import spawn


def map(function, *iterables, limit=None):
    """Calls a function with the items of the iterables, each call a tasklet, and gives the results in their order.

    Takes     a plain function or a coroutine function; limit: how many are begun before their turn to be given, None: all.
    Returns   an iterator, which waits for the next result when it is asked for it, and raises what the call raised. When it is
              given up, so are the calls that are still under way: they are cancelled.
    Throws    Misuse in a coroutine when it is iterated over: write 'async for result in martlet.amap(...)'.
    """
    return _results(*_begin(function, iterables, limit))


def amap(function, *iterables, limit=None):
    """The twin of map for coroutines: an asynchronous iterator."""
    return _aresults(*_begin(function, iterables, limit))


def _begin(function, iterables, limit):
    if limit is not None and limit < 1:
        raise ValueError(f"map(): limit is how many calls are under way at a time, 1 or more; found {limit}")
    calls = (spawn(function, *args) for args in zip(*iterables))
    return deque(islice(calls, limit)), calls


def _results(pending, calls):
    try:
        while pending:
            result = pending.popleft().join()
            pending.extend(islice(calls, 1))
            yield result
    finally:
        for call in pending:
            call.cancel()


async def _aresults(pending, calls):
    try:
        while pending:
            result = await pending.popleft()
            pending.extend(islice(calls, 1))
            yield result
    finally:
        for call in pending:
            call.cancel()
