"""A function of many values, each in a tasklet."""

from collections import deque
from itertools import islice

from martlet._martlet import spawn


def map(function, *iterables, limit=None, isolated=False):
    """Calls a function with the items of the iterables, each call a tasklet, and gives the results in their order.

    Takes     a plain function or a coroutine function; limit: how many are begun before their turn to be given, None: all;
              isolated: as spawn's.
    Returns   an iterator, which waits for the next result when it is asked for it, and raises what the call raised. When it is
              given up, so are the calls that are still under way: they are cancelled.
    Throws    Misuse in a coroutine when it is iterated over: write 'async for result in martlet.amap(...)'.
    """
    pending, calls = _begin(function, iterables, limit, isolated)
    return Results(pending, lambda call: call.join(), calls)


def amap(function, *iterables, limit=None, isolated=False):
    """The twin of map for coroutines: an asynchronous iterator."""
    return AsyncResults(*_begin(function, iterables, limit, isolated))


def _begin(function, iterables, limit, isolated):
    if limit is not None and limit < 1:
        raise ValueError(f"map(): limit is how many calls are under way at a time, 1 or more; found {limit}")
    calls = (spawn(function, *args, isolated=isolated) for args in zip(*iterables))
    return deque(islice(calls, limit)), calls


class _Calls:
    """Calls that are under way; those whose turn has not come when it goes are cancelled.

    Takes     the calls, a deque; an iterator that begins further ones.
    """

    def __init__(self, pending, calls=()):
        self._pending = pending
        self._calls = iter(calls)

    def close(self):
        """Gives up what is left."""
        while self._pending:
            self._pending.popleft().cancel()

    __del__ = close

    def _go_on(self):
        self._pending.popleft()
        self._pending.extend(islice(self._calls, 1))


class Results(_Calls):
    """An iterator over the results of calls. Takes also how to wait for one's."""

    def __init__(self, pending, join, calls=()):
        super().__init__(pending, calls)
        self._join = join

    def __iter__(self):
        return self

    def __next__(self):
        if not self._pending:
            raise StopIteration
        try:
            result = self._join(self._pending[0])
        except BaseException:
            self.close()
            raise
        self._go_on()
        return result


class AsyncResults(_Calls):
    """The same for coroutines, over handles."""

    def __aiter__(self):
        return self

    async def __anext__(self):
        if not self._pending:
            raise StopAsyncIteration
        try:
            result = await self._pending[0]
        except BaseException:
            self.close()
            raise
        self._go_on()
        return result
