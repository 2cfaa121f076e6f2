"""concurrent.futures over tasklets."""

import atexit
import threading
import weakref
from _thread import RLock as ThreadRLock
from _thread import allocate_lock
from collections import deque
from concurrent import futures
from functools import partial
from inspect import iscoroutinefunction
from itertools import chain, islice

from martlet._condition import Condition
from martlet._map import Results
from martlet._martlet import Event, ablocking, current, now, run, scope, spawn


class Future(futures.Future):
    """A concurrent.futures.Future that a tasklet waits for without holding up its worker.

    result() and exception() block the function tasklet or the thread; in a coroutine tasklet write 'await future'.
    """

    __module__ = "martlet"

    def __init__(self):
        super().__init__()
        # The lock is a thread's: it is held for moments, and a coroutine has to tell its result too.
        self._condition = Condition(ThreadRLock())

    def __await__(self):
        return self._when_done().__await__()

    async def _when_done(self):
        while not self.done():
            with self._condition:
                if self.done():
                    break
                notice = self._condition._waiters.enter()
            try:
                await notice.await_()
            except BaseException:
                with self._condition:
                    self._condition._waiters.leave(notice)  # whoever tells that it is done tells all
                raise
        return self.result()


class _Call:
    """What was submitted."""

    def __init__(self, executor, function, args, keywords):
        self.executor = executor
        self.future = Future()
        self.function = function
        self.args = args
        self.keywords = keywords

    def run(self):
        try:
            if self.future.set_running_or_notify_cancel():
                try:
                    result = self.function(*self.args, **self.keywords)
                except BaseException as error:
                    self._fail(error)
                else:
                    self.future.set_result(result)
        finally:
            self.executor._ended(self)

    async def arun(self):
        try:
            if self.future.set_running_or_notify_cancel():
                try:
                    result = await self.function(*self.args, **self.keywords)
                except BaseException as error:
                    self._fail(error)
                else:
                    self.future.set_result(result)
        finally:
            self.executor._ended(self)

    def _fail(self, error):
        self.future.set_exception(error)
        self.future = None  # the error's traceback leads here, and with it the error would keep itself


class Executor(futures.Executor):
    """A concurrent.futures.Executor each of whose calls is a tasklet.

    Takes     how many calls are under way at a time; None: any number. Whether they are isolated: in interpreters of their own, as
              spawn(isolated=True) has it.

    Made in a tasklet it uses the run that the tasklet belongs to; elsewhere it begins one of its own, on a thread. A call may be
    a plain function or a coroutine function, and wait for whatever tasklets wait for. Use 'with' in a function, 'async with' in a
    coroutine.
    """

    __module__ = "martlet"

    def __init__(self, max_workers=None, *, isolated=False):
        if max_workers is not None and max_workers <= 0:
            raise ValueError(f"Executor(): max_workers is how many calls run at a time, 1 or more; found {max_workers}")
        self._most = max_workers
        self._isolated = isolated
        self._lock = allocate_lock()
        self._busy = 0  # under the lock, as all below
        self._waiting = deque()  # for one of `most` to end
        self._calls = set()  # that have not ended
        self._is_shut = False
        self._thread = None
        if current() is None:
            self._thread, self._inside, self._stop = _begin_run()
            weakref.finalize(self, self._stop.set).atexit = False
            _with_threads.add(self)
        else:
            self._inside = scope()._open()

    def submit(self, fn, /, *args, **kwargs):
        """Starts a call.

        Takes     a function or a coroutine function, and its arguments.
        Returns   its Future.
        Throws    RuntimeError after shutdown.
        Suspends  never.
        """
        call = _Call(self, partial(_isolated, fn) if self._isolated else fn, args, kwargs)
        future = call.future
        with self._lock:
            self._require_open("submit()")
            self._calls.add(call)
            if self._busy == self._most:
                self._waiting.append(call)
                return future
            self._busy += 1
        try:
            self._start(call)
        except BaseException:  # the run has ended
            with self._lock:
                self._calls.discard(call)
                self._busy -= 1
            raise
        return future

    def map(self, fn, *iterables, timeout=None, chunksize=1):
        """Calls fn with the items of the iterables, all at the same time, and gives the results in their order.

        Takes     how many seconds the results may take; chunksize: how many calls an isolated worker is given at once, which has no
                  effect elsewhere.
        Returns   an iterator; asking it for a result that is not there yet waits, and raises what the call raised, or TimeoutError.
        """
        if self._isolated and chunksize > 1:
            each = _await_each if iscoroutinefunction(fn) else _call_each
            chunks = self.map(partial(each, fn), _chunks(zip(*iterables), chunksize), timeout=timeout)
            return chain.from_iterable(chunks)
        due = None if timeout is None else now() + timeout
        if self._most is not None:
            return Results(deque(self.submit(fn, *args) for args in zip(*iterables)), lambda one: one.result(_left(due)))
        with self._lock:
            self._require_open("map()")
        calls = deque(map(partial(self._inside.spawn, fn, isolated=self._isolated), *iterables))
        return Results(calls, lambda one: one.join(_left(due)))

    def shutdown(self, wait=True, *, cancel_futures=False):
        """Ends it: nothing can be submitted any more, what was is carried out.

        Takes     whether to wait for that; whether to give up what has not begun.
        Suspends  the tasklet or the thread, when it waits. In a coroutine write 'async with executor', or 'await executor.ashutdown()'.
        """
        if wait and self._thread is threading.current_thread():
            raise RuntimeError("shutdown(): one of its own calls cannot wait for the executor's end")
        self._close(cancel_futures)
        if wait and self._thread is not None:
            self._thread.join()
        elif wait:
            self._inside.__exit__(None, None, None)

    async def ashutdown(self, *, cancel_futures=False):
        """The awaitable twin of shutdown, which waits."""
        self._close(cancel_futures)
        if self._thread is None:
            await self._inside.__aexit__(None, None, None)
        elif current() is None:  # asyncio's, and this executor's run may be where a tasklet would be spawned
            import asyncio

            await asyncio.get_running_loop().run_in_executor(None, self._thread.join)
        else:
            await ablocking(self._thread.join)

    async def __aenter__(self):
        return self

    async def __aexit__(self, *raised):
        await self.ashutdown()

    def _require_open(self, call):
        if self._is_shut:
            raise RuntimeError(f"{call}: this executor was shut down; make a new one")

    def _start(self, call):
        name = getattr(call.function, "__qualname__", None)
        self._inside.spawn(call.arun if iscoroutinefunction(call.function) else call.run, name=name)

    def _ended(self, call):
        while True:
            with self._lock:
                self._calls.remove(call)
                if not self._waiting:
                    self._busy -= 1
                    return
                call = self._waiting.popleft()
            try:
                return self._start(call)
            except RuntimeError:  # the run has ended
                call.future.cancel()

    def _close(self, cancel_futures):
        with self._lock:
            self._is_shut = True
            pending = [call.future for call in self._calls] if cancel_futures else []
        for future in pending:
            if future is not None:  # its call fails just now
                future.cancel()
        if self._thread is not None:
            self._stop.set()


async def _isolated(function, *args, **keywords):
    return await spawn(partial(function, **keywords) if keywords else function, *args, isolated=True)


def _call_each(function, chunk):
    return [function(*args) for args in chunk]


async def _await_each(function, chunk):
    return [await function(*args) for args in chunk]


def _chunks(values, size):
    values = iter(values)
    while chunk := list(islice(values, size)):
        yield chunk


def _left(due):
    return None if due is None else max(0.0, due - now())


# ---- executors outside of any run

_with_threads = weakref.WeakSet()


class _Opening:
    """What a thread hands over when it has begun. The lock is a thread's, held for moments also where a loop runs."""

    def __init__(self):
        self._lock = allocate_lock()
        self._lock.acquire()
        self._inside = self._error = None

    def tell(self, inside=None, error=None):
        self._inside, self._error = inside, error
        self._lock.release()

    def wait(self):
        self._lock.acquire()
        if self._error is not None:
            raise self._error
        return self._inside


def _begin_run():
    """Returns a thread with a run, a scope of that run, and the event that ends it."""
    opening, stop = _Opening(), Event()
    thread = threading.Thread(target=_run, args=(opening, stop), name="martlet.Executor", daemon=True)
    thread.start()
    return thread, opening.wait(), stop


def _run(opening, stop):
    try:
        run(_stay, opening, stop)
    except ValueError as error:  # the environment asks for a number of workers that is none
        opening.tell(error=error)


async def _stay(opening, stop):
    inside = scope()._open()
    opening.tell(inside)
    await stop.await_()
    await inside.__aexit__(None, None, None)


@atexit.register
def _end_all():
    for executor in list(_with_threads):
        executor.shutdown()
