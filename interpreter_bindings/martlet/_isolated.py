"""Isolated workers: threads that have an interpreter each, and so a global lock of their own.

An isolated tasklet has a stand-in among the tasklets of the run that spawned it: a coroutine that sends the work, waits for
the answer and ends with it. All workers receive from one channel, so whoever is free takes the next one; a worker goes on
to the next while what it has taken waits. They stay for the next run, since an interpreter takes some 50 ms to make.
"""

import atexit
import inspect
import os
import sys
import traceback
import warnings
from _thread import allocate_lock, start_new_thread

from martlet._crossing import describe_main, expect_main
from martlet._martlet import (
    Cancelled,
    ChannelClosed,
    Event,
    Misuse,
    _count_lent,
    _facts,
    _fetch_channel,
    _leave_channel,
    channel,
    current,
    parcel,
    run,
    shield,
    spawn,
)


class RemoteTraceback(Exception):
    """Where an error of an isolated tasklet came from: its __cause__."""

    def __init__(self, text):
        super().__init__(text)
        self.text = text

    def __str__(self):
        return f"\n\n{self.text}"


class _Workers:
    """Those of the process, made as they are needed: `most` of them."""

    def __init__(self, requests, most):
        self.requests = requests
        self.under_way = 0  # tasklets that have not ended, under `_lock`
        self._most = most
        self._ended = []  # for each thread a lock that it holds
        self._have_begun = False

    def add_one(self):
        with _lock:
            if len(self._ended) == self._most:
                return
            ended = allocate_lock()
            ended.acquire()
            start_new_thread(self._run, (ended,))  # a thread also where martlet.patch makes tasklets of them
            self._ended.append(ended)

    def stop(self):
        """They end when nothing is under way; who still reads their memory then keeps an interpreter."""
        self.requests.close()
        for ended in self._ended:
            ended.acquire()

    def _run(self, ended):
        try:
            self._run_interpreter()
        finally:
            ended.release()

    def _run_interpreter(self):
        from concurrent import interpreters

        try:
            interpreter = interpreters.create()
            interpreter.prepare_main(number=_leave_channel(self.requests), path=tuple(map(str, sys.path)), main=describe_main())
            interpreter.exec("import sys\nsys.path[:] = path\nfrom martlet import _isolated")
        except Exception as error:
            self._refuse(error)
            return
        self._have_begun = True
        interpreter.exec("_isolated.serve(number, main)")
        if interpreter.call(has_lent_nothing):
            interpreter.close()
        else:
            _lenders.append(interpreter)

    def _refuse(self, error):
        """Answers, where no worker could be made, so that nobody waits for one."""
        for *_, answers, _ in () if self._have_begun else self.requests:
            answers.send((parcel((RuntimeError(f"no isolated worker could be made: {error}"), None, "")),))
            if self._have_begun:
                return


_lock = allocate_lock()  # held for moments
_workers = None
_lenders = []  # interpreters whose memory is read after their worker's end: dropped, they would end too


def _begin_one():
    """Returns the workers, who have one more under way."""
    global _workers
    asked = _facts()["workers"]  # refuses what MARTLET_WORKERS cannot mean
    most = asked if os.environ.get("MARTLET_WORKERS") else len(os.sched_getaffinity(0))
    with _lock:
        if _workers is None:
            _workers = _Workers(channel(isolated=True), most)
        if _workers.requests.closed:
            raise Misuse("spawn(isolated=True): the process is ending, and its isolated workers have ended")
        _workers.under_way += 1
        return _workers


@atexit.register
def _stop_workers():
    if _workers is not None:
        _workers.stop()


def _before_fork():
    # A child in which another interpreter had a thread crashes before it begins.
    global _workers
    with _lock:
        workers = _workers
        if workers is None:
            return
        if workers.under_way == 0:
            _workers = None
    if workers.under_way == 0:
        workers.stop()
    else:
        warnings.warn(
            "os.fork() while isolated tasklets are under way: CPython's child cannot live with other interpreters, and crashes; "
            "wait for them first, or start programs with subprocess",
            RuntimeWarning,
            stacklevel=2,
        )


def _begin_again():
    global _lock, _workers
    _lock, _workers = allocate_lock(), None


if sys.version_info >= (3, 14):
    os.register_at_fork(before=_before_fork, after_in_child=_begin_again)


def stand_in(name, what, *args):
    """Called by the native part; returns the coroutine that spawn makes a tasklet of.

    What cannot cross is refused here, where it is spawned.
    """
    if sys.version_info < (3, 14):
        raise Misuse(
            "spawn(isolated=True): isolated workers need Python 3.14 or newer, and this is "
            f"{sys.version_info.major}.{sys.version_info.minor}: spawn it without, or use a process pool"
        )
    if not callable(what) and not inspect.iscoroutine(what):
        raise TypeError(f"spawn: an isolated tasklet runs a function; found {type(what).__name__}")
    answers = channel(1, isolated=True)
    stop = channel(isolated=True)
    name = name or getattr(what, "__qualname__", None) or type(what).__qualname__
    name = "".join((name,))  # a str and no subclass, which the worker would have to import
    request = parcel((parcel((what, args)), name, inspect.iscoroutinefunction(what), answers, stop))
    return _stand_in(request, answers, stop)


async def _stand_in(request, answers, stop):
    workers = _begin_one()
    try:
        if workers.requests.balance >= 0:
            workers.add_one()  # nobody is free
        await workers.requests.asend(request)
        try:
            (answer,) = await answers.areceive()
        except Cancelled:
            stop.close()
            with shield():
                (answer,) = await answers.areceive()  # it ends there first, one way or the other
    finally:
        with _lock:
            workers.under_way -= 1
    stop.close()
    error, value, text = answer.open()
    if error is not None:
        error.__cause__ = RemoteTraceback(text)
        raise error
    return value


def serve(number, main):
    """Runs a worker, in its own interpreter, until the process ends."""
    global _workers
    expect_main(main)
    _workers = _Workers(_fetch_channel(number), most=0)  # what it spawns isolated itself, all workers may take
    run(_serve, workers=1)


def has_lent_nothing():
    """Returns whether nobody reads memory of this interpreter's any more."""
    return _count_lent() == 0


async def _serve():
    end = Event()
    spawn(_take, end)
    await end.await_()


# Who has taken something makes the next one take only when it runs: nothing is taken that another worker could begin sooner.
async def _take(end):
    try:
        work, name, is_coroutine, answers, stop = await _workers.requests.areceive()
    except ChannelClosed:
        end.set()
    else:
        spawn(_await if is_coroutine else _call, end, work, answers, stop, name=name)


def _begin(end, stop):
    spawn(_take, end)
    spawn(_watch, stop, current())


def _call(end, work, answers, stop):
    _begin(end, stop)
    try:
        function, args = work.open()
        answer = None, function(*args), None
    except BaseException as error:  # SystemExit too: it would end the worker
        answer = _failure(error)
    answers.try_send((_packed(answer),))  # there is room for it


async def _await(end, work, answers, stop):
    _begin(end, stop)
    try:
        function, args = work.open()
        answer = None, await function(*args), None
    except BaseException as error:
        answer = _failure(error)
    answers.try_send((_packed(answer),))  # there is room for it


def _packed(answer):
    try:
        return parcel(answer)
    except BaseException as error:  # Misuse, or what a __reduce__ raises: Cancelled, when it waits
        return _packed(_failure(error)) if answer[0] is None else parcel(_without_error(*answer))


async def _watch(stop, doing):
    async for _ in stop:
        pass
    doing.cancel()  # asked to stop, or ended long since


def _failure(error):
    return error, None, "".join(traceback.format_exception(error))


def _without_error(error, _, text):
    what = "".join(traceback.format_exception_only(error)).strip()
    return RuntimeError(f"an isolated tasklet ended with an error that cannot cross: {what}"), None, text
