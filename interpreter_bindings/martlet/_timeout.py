"""A time limit for a block."""

from martlet._martlet import Cancelled, DeadlinePassed, Misuse, asleep, current, scope


class timeout:
    """Stops its block when it takes longer than some seconds: `with` in a function, `async with` in a coroutine.

        async with martlet.timeout(2.5):
            reply = await ask(server)

    Takes     how many seconds; None: no limit.
    Throws    DeadlinePassed (a TimeoutError) at the end of a block that was stopped; Misuse outside of a tasklet.
    Suspends  at its end. Inside, the wait that the block is in, and every later one, raises Cancelled.
    Cost      a tasklet that sleeps.
    """

    __module__ = "martlet"

    def __init__(self, seconds):
        self._seconds = None if seconds is None else float(seconds)
        self._inside = scope()

    def __enter__(self):
        self._require_tasklet()
        try:
            self._inside.__enter__()
        except Misuse:
            raise Misuse(
                "the end of a 'with martlet.timeout()' blocks, and a coroutine would hold up the worker: write "
                "'async with martlet.timeout()', once"
            ) from None
        self._set_alarm()

    def __exit__(self, kind, error, traceback):
        self._stop()
        try:
            return self._inside.__exit__(kind, error, traceback)
        except BaseExceptionGroup:
            return self._explain(error)

    async def __aenter__(self):
        self._require_tasklet()
        await self._inside.__aenter__()
        self._set_alarm()

    async def __aexit__(self, kind, error, traceback):
        self._stop()
        try:
            return await self._inside.__aexit__(kind, error, traceback)
        except BaseExceptionGroup:
            return self._explain(error)

    def _require_tasklet(self):
        if current() is None:
            raise Misuse("timeout(): a thread cannot be stopped from outside: use it in a tasklet, or give each wait a timeout")

    def _set_alarm(self):
        self._alarm = None
        if self._seconds is not None:
            self._alarm = self._inside.spawn(_ring, self._seconds, name="martlet.timeout")

    def _stop(self):
        if self._alarm is not None:
            self._alarm.cancel()

    # The alarm has rung: that is what the scope's group of errors means.
    def _explain(self, error):
        if error is not None and not isinstance(error, Cancelled):
            return False  # the block's own error comes first, and goes on
        raise DeadlinePassed(f"the block took longer than {self._seconds} s") from None


async def _ring(seconds):
    await asleep(seconds)
    raise DeadlinePassed
