"""queue.Queue and its kin for tasklets."""

from collections import deque
from heapq import heappop, heappush
from queue import Empty, Full
from threading import Lock as ThreadLock
from types import GenericAlias

from martlet import _styles
from martlet._martlet import now
from martlet._notices import Notices

try:
    from queue import ShutDown
except ImportError:  # before Python 3.13

    class ShutDown(Exception):
        """Raised by put and get of a queue that was shut down."""

        __module__ = "martlet"


class Queue:
    """queue.Queue for tasklets of both kinds and threads: first in, first out.

    Takes     how many items it holds at most; 0 or less: any number.

    What is meant for one receiver after the other, without counting what has been done, is a `channel`, which is faster. A
    subclass gives another order by _init, _qsize, _put and _get, which must not wait.
    """

    __module__ = "martlet"
    __class_getitem__ = classmethod(GenericAlias)

    def __init__(self, maxsize=0):
        self.maxsize = maxsize
        self.mutex = ThreadLock()  # held for moments, never while somebody waits: it may be a thread's
        self.unfinished_tasks = 0  # under the mutex, as all below
        self.is_shutdown = False
        self._getters = Notices()
        self._putters = Notices()
        self._joiners = Notices()
        self._init(maxsize)

    def qsize(self):
        """Returns how many items are in it."""
        with self.mutex:
            return self._qsize()

    def empty(self):
        """Tells whether there is none."""
        return not self.qsize()

    def full(self):
        """Tells whether there is no room."""
        with self.mutex:
            return self._is_full()

    def put(self, item, block=True, timeout=None):
        """Puts an item in, and waits until there is room.

        Takes     whether to wait at all; how many seconds at most.
        Throws    queue.Full when it may not wait (any longer), ShutDown, Cancelled; Misuse in a coroutine: write
                  'await queue.aput(item)'.
        Suspends  the tasklet, or the thread.
        """
        _styles.run(self._wait_to(_styles.blocking, self._try_put, self._putters, Full, block, timeout, item))

    def aput(self, item, block=True, timeout=None):
        """The awaitable twin of put."""
        return self._wait_to(_styles.awaiting, self._try_put, self._putters, Full, block, timeout, item)

    def put_nowait(self, item):
        """As put(item, block=False), for coroutines too. Suspends never."""
        self.put(item, block=False)

    def get(self, block=True, timeout=None):
        """Takes the next item out, and waits until there is one.

        Takes     whether to wait at all; how many seconds at most.
        Returns   the item.
        Throws    queue.Empty when it may not wait (any longer), ShutDown, Cancelled; Misuse in a coroutine: write
                  'await queue.aget()'.
        Suspends  the tasklet, or the thread.
        """
        return _styles.run(self._wait_to(_styles.blocking, self._try_get, self._getters, Empty, block, timeout))

    def aget(self, block=True, timeout=None):
        """The awaitable twin of get."""
        return self._wait_to(_styles.awaiting, self._try_get, self._getters, Empty, block, timeout)

    def get_nowait(self):
        """As get(block=False), for coroutines too. Suspends never."""
        return self.get(block=False)

    def task_done(self):
        """Says that an item that was taken out has been dealt with. Throws ValueError when all have been. Suspends never."""
        with self.mutex:
            if self.unfinished_tasks == 0:
                raise ValueError("task_done() was called more often than items were put into the queue")
            self._finish(1)

    def join(self):
        """Waits until every item that was put in has been dealt with (task_done).

        Throws    Cancelled; Misuse in a coroutine: write 'await queue.ajoin()'.
        Suspends  the tasklet, or the thread.
        """
        _styles.run(self._wait_to(_styles.blocking, self._try_join, self._joiners, None, True, None))

    def ajoin(self):
        """The awaitable twin of join."""
        return self._wait_to(_styles.awaiting, self._try_join, self._joiners, None, True, None)

    def shutdown(self, immediate=False):
        """Ends its use: put raises ShutDown, get too when it is empty. Suspends never.

        Takes     whether to throw away what is in it, as if it had been dealt with.
        """
        with self.mutex:
            self.is_shutdown = True
            if immediate:
                left = self._qsize()
                for _ in range(left):
                    self._get()
                self._finish(min(left, self.unfinished_tasks))
            self._getters.tell_all()
            self._putters.tell_all()

    async def _wait_to(self, style, attempt, waiters, too_late, block, timeout, *args):
        """Makes an attempt again and again until it gives something, a 1-tuple."""
        if timeout is not None and timeout < 0:
            raise ValueError(f"a timeout is a number of seconds, 0 or more; found {timeout!r}")
        due = None if timeout is None else now() + timeout
        left = None
        while True:
            with self.mutex:
                done = attempt(*args)
                if done is not None:
                    return done[0]
                left = None if due is None else due - now()
                if not block or (left is not None and left <= 0):
                    raise too_late
                notice = waiters.enter()
            came = False
            try:
                came = await style.wait(notice, left)
            finally:
                if not came:
                    with self.mutex:
                        if waiters.leave(notice):
                            waiters.tell()  # it came too late for this one

    # Each is called under the mutex, and gives None when it has to wait.

    def _try_put(self, item):
        if self.is_shutdown:
            raise ShutDown
        if self._is_full():
            return None
        self._put(item)
        self.unfinished_tasks += 1
        self._getters.tell()
        return (None,)

    def _try_get(self):
        if not self._qsize():
            if self.is_shutdown:
                raise ShutDown
            return None
        item = self._get()
        self._putters.tell()
        return (item,)

    def _try_join(self):
        return None if self.unfinished_tasks else (None,)

    def _finish(self, count):
        self.unfinished_tasks -= count
        if self.unfinished_tasks == 0:
            self._joiners.tell_all()

    def _is_full(self):
        return 0 < self.maxsize <= self._qsize()

    # What another order needs; under the mutex.

    def _init(self, maxsize):
        self.queue = deque()

    def _qsize(self):
        return len(self.queue)

    def _put(self, item):
        self.queue.append(item)

    def _get(self):
        return self.queue.popleft()


class LifoQueue(Queue):
    """queue.LifoQueue for tasklets: last in, first out."""

    __module__ = "martlet"

    def _init(self, maxsize):
        self.queue = []

    def _get(self):
        return self.queue.pop()


class PriorityQueue(Queue):
    """queue.PriorityQueue for tasklets: the least comes out first. Items are often pairs of a number and data."""

    __module__ = "martlet"

    def _init(self, maxsize):
        self.queue = []

    def _put(self, item):
        heappush(self.queue, item)

    def _get(self):
        return heappop(self.queue)
