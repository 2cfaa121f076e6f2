"""threading.Condition for tasklets."""

from martlet import _styles
from martlet._martlet import Misuse, RLock, now, shield
from martlet._notices import Notices


class Condition:
    """threading.Condition for tasklets of both kinds and threads: lets those who hold a lock wait for a change.

    Takes     a Lock or an RLock; without one it makes an RLock.

    The caller holds the lock before and after every wait, also when it ends by an exception, and not meanwhile. Use 'with' in a
    function, 'async with' in a coroutine, with 'await condition.await_()' inside.
    """

    __module__ = "martlet"

    def __init__(self, lock=None):
        self._lock = RLock() if lock is None else lock
        self._waiters = Notices()  # under the lock
        if hasattr(self._lock, "_release_save"):  # an RLock, which may be held several times
            self._release_save = self._lock._release_save
            self._acquire_restore = self._lock._acquire_restore
            self._is_owned = self._lock._is_owned

    def acquire(self, blocking=True, timeout=-1):
        """Acquires the lock, as Lock.acquire does. In a coroutine write 'await condition.aacquire()'."""
        return self._lock.acquire(blocking, timeout)

    def release(self):
        """Releases the lock. Suspends never."""
        self._lock.release()

    def aacquire(self, blocking=True, timeout=-1):
        """The awaitable twin of acquire."""
        return self._of_martlet().aacquire(blocking, timeout)

    def locked(self):
        """Tells whether anybody holds the lock."""
        return self._lock.locked()

    def __enter__(self):
        return self._lock.__enter__()

    def __exit__(self, *raised):
        return self._lock.__exit__(*raised)

    def __aenter__(self):
        return self._of_martlet().__aenter__()

    def __aexit__(self, *raised):
        return self._lock.__aexit__(*raised)

    def __repr__(self):
        return f"<Condition({self._lock!r}, {len(self._waiters)})>"

    def wait(self, timeout=None):
        """Releases the lock, waits for a notice, and acquires the lock again.

        Takes     how many seconds to wait for the notice at most; the lock is waited for in any case.
        Returns   whether there was a notice.
        Throws    Misuse (a RuntimeError) when the caller does not hold the lock; Cancelled, with the lock held.
        Suspends  the tasklet, or the thread. In a coroutine write 'await condition.await_()'.
        """
        return _styles.run(self._wait(_styles.blocking, timeout))

    def await_(self, timeout=None):
        """The awaitable twin of wait."""
        self._of_martlet()
        return self._wait(_styles.awaiting, timeout)

    def wait_for(self, predicate, timeout=None):
        """Waits until predicate() is true; it is called with the lock held, and again after each notice.

        Returns   what predicate() said last: something false when the time was over first.
        """
        return _styles.run(self._wait_for(_styles.blocking, predicate, timeout))

    def await_for(self, predicate, timeout=None):
        """The awaitable twin of wait_for. The predicate is a plain function."""
        self._of_martlet()
        return self._wait_for(_styles.awaiting, predicate, timeout)

    def notify(self, n=1):
        """Wakes the n that have waited longest. Throws Misuse when the caller does not hold the lock. Suspends never."""
        self._require_lock("notify()")
        self._waiters.tell(n)

    def notify_all(self):
        """Wakes all who wait. Throws Misuse when the caller does not hold the lock. Suspends never."""
        self.notify(len(self._waiters))

    async def _wait(self, style, timeout):
        self._require_lock("wait()")
        notice = self._waiters.enter()
        depth = self._release_save()
        try:
            came = await style.wait(notice, timeout)
        except BaseException:
            await self._take_back(style, depth)
            if self._waiters.leave(notice):
                self._waiters.tell()  # it was meant for somebody who goes on
            raise
        await self._take_back(style, depth)
        return came or self._waiters.leave(notice)

    async def _wait_for(self, style, predicate, timeout):
        due = None if timeout is None else now() + timeout
        while not (result := predicate()):
            left = None if due is None else due - now()
            if left is not None and left <= 0:
                break
            await self._wait(style, left)
        return result

    async def _take_back(self, style, depth):
        with shield():  # whoever is cancelled goes on in a block that believes to hold it
            if depth is None:
                await style.acquire(self._lock)
            else:
                await style.acquire_again(self._lock, depth)

    def _require_lock(self, call):
        if not self._is_owned():
            raise Misuse(f"Condition.{call}: the caller does not hold the lock: do it inside 'with condition'")

    def _of_martlet(self):
        if not hasattr(self._lock, "aacquire"):
            raise Misuse(
                f"a Condition over a {type(self._lock).__name__} cannot be awaited: make it with a martlet.Lock or martlet.RLock"
            )
        return self._lock

    def _recursion_count(self):
        return self._lock._recursion_count()

    # What an RLock does itself, for a lock that is held once.

    def _is_owned(self):
        if self._lock.acquire(False):
            self._lock.release()
            return False
        return True

    def _release_save(self):
        self._lock.release()

    def _acquire_restore(self, depth):
        self._lock.acquire()
