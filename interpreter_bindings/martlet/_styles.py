"""The two ways to wait, so that what waits is written once for both.

Each is a set of coroutine functions. Those of `blocking` never suspend: `run` calls what is written with them as a plain
function. Those of `awaiting` are martlet's awaitable operations.
"""


class blocking:
    @staticmethod
    async def acquire(lock):
        lock.acquire()

    @staticmethod
    async def acquire_again(lock, depth):
        lock._acquire_restore(depth)

    @staticmethod
    async def wait(event, timeout):
        return event.wait(timeout)


class awaiting:
    @staticmethod
    def acquire(lock):
        return lock.aacquire()

    @staticmethod
    def acquire_again(lock, depth):
        return lock._aacquire_restore(depth)

    @staticmethod
    def wait(event, timeout):
        return event.await_(timeout)


def run(coroutine):
    """Runs a coroutine that was written with `blocking` to its end, right here."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("what only blocks has suspended itself")
