"""threading.Barrier for tasklets."""

from heapq import heappop, heappush
from threading import BrokenBarrierError

from martlet import _styles
from martlet._condition import Condition
from martlet._martlet import Lock


class _Phase:
    """Those who wait for each other once."""

    def __init__(self, parties):
        self.free = list(range(parties))  # the numbers that nobody has been given yet; a heap
        self.is_over = False
        self.is_broken = False


class Barrier:
    """threading.Barrier for tasklets of both kinds and threads: lets a fixed number of them wait for each other, again and again.

    Takes     how many; a function that the last one to arrive calls before it lets the others go; how many seconds each wait
              takes at most when it says nothing else.

    A wait that takes too long breaks the barrier: all raise threading.BrokenBarrierError until it is reset. One that is
    cancelled is withdrawn: the others wait for somebody else in its place.
    """

    __module__ = "martlet"

    def __init__(self, parties, action=None, timeout=None):
        if parties < 1:
            raise ValueError(f"Barrier(): parties is how many wait for each other, 1 or more; found {parties}")
        self._parties = parties
        self._action = action
        self._timeout = timeout
        self._changed = Condition(Lock())
        self._phase = _Phase(parties)  # under the condition's lock

    def __repr__(self):
        what = "broken" if self.broken else f"waiters={self.n_waiting}/{self.parties}"
        return f"<martlet.Barrier at {id(self):#x}: {what}>"

    def wait(self, timeout=None):
        """Arrives, and waits until all have.

        Returns   a number from 0 to parties - 1, another one for each: in the order of arrival, unless one was withdrawn.
        Throws    threading.BrokenBarrierError, Cancelled; what the action raises, which breaks the barrier.
        Suspends  the tasklet, or the thread. In a coroutine write 'await barrier.await_()'.
        """
        return _styles.run(self._wait(_styles.blocking, timeout))

    def await_(self, timeout=None):
        """The awaitable twin of wait. The action is a plain function all the same."""
        return self._wait(_styles.awaiting, timeout)

    def reset(self):
        """Makes it as new: those who wait raise threading.BrokenBarrierError. In a coroutine write 'await barrier.areset()'."""
        _styles.run(self._begin_anew(_styles.blocking, False))

    def areset(self):
        """The awaitable twin of reset."""
        return self._begin_anew(_styles.awaiting, False)

    def abort(self):
        """Breaks it, until it is reset. In a coroutine write 'await barrier.aabort()'."""
        _styles.run(self._begin_anew(_styles.blocking, True))

    def aabort(self):
        """The awaitable twin of abort."""
        return self._begin_anew(_styles.awaiting, True)

    @property
    def parties(self):
        """How many wait for each other."""
        return self._parties

    @property
    def n_waiting(self):
        """How many have arrived and wait."""
        return self._parties - len(self._phase.free)

    @property
    def broken(self):
        """Whether it is broken."""
        return self._phase.is_broken

    async def _wait(self, style, timeout):
        await style.acquire(self._changed)
        try:
            phase = self._phase
            if phase.is_broken:
                raise BrokenBarrierError
            number = heappop(phase.free)
            if not phase.free:
                self._end(phase, number)
                return number
            try:
                came = await self._changed._wait_for(
                    style, lambda: phase.is_over or phase.is_broken, self._timeout if timeout is None else timeout
                )
            except BaseException:
                heappush(phase.free, number)
                raise
            if not came:
                self._break(phase)
            if phase.is_broken:
                heappush(phase.free, number)
                raise BrokenBarrierError
            return number
        finally:
            self._changed.release()

    def _end(self, phase, number):
        try:
            if self._action is not None:
                self._action()
        except BaseException:
            heappush(phase.free, number)
            self._break(phase)
            raise
        phase.is_over = True
        self._phase = _Phase(self._parties)
        self._changed.notify_all()

    def _break(self, phase):
        phase.is_broken = True
        self._changed.notify_all()

    async def _begin_anew(self, style, is_broken):
        await style.acquire(self._changed)
        try:
            self._break(self._phase)
            if not is_broken:
                self._phase = _Phase(self._parties)
        finally:
            self._changed.release()
