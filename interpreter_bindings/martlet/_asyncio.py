"""martlet's operations and handles, awaited in coroutines of asyncio's."""

import asyncio
from functools import partial

from martlet._martlet import Event, Misuse, handle, spawn
from martlet._martlet import guest as _guest


def wait_in_loop(what):
    """Awaits an operation or a handle in a tasklet, on behalf of the asyncio task that calls.

    Returns   what a future of that task's loop gives for an await.
    """
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    operation = None if isinstance(what, handle) else what
    tasklet = what if operation is None else spawn(_await, what, name="martlet in asyncio")

    def tell(ended):
        _call_on(loop, _settle, future, ended, operation)

    def stop(future):
        if future.cancelled() and operation is not None:
            tasklet.cancel()

    tasklet.add_done_callback(tell)
    future.add_done_callback(stop)
    return _delivered(future, operation)


def _call_on(loop, function, *args):
    """Has a loop call a function, from whatever thread."""
    if asyncio._get_running_loop() is loop:
        loop.call_soon(function, *args)
        return
    try:
        loop.call_soon_threadsafe(function, *args)
    except RuntimeError:
        pass  # it was closed, and nobody waits there any more


def _delivered(future, operation):
    """Gives the future's result; what an operation took is given back when the task is cancelled in that very moment."""
    try:
        return (yield from future)
    except BaseException:
        if operation is not None and future.done() and not future.cancelled() and future.exception() is None:
            operation._undo(future.result())
        raise


def over(result):
    """Returns what an await iterates over that is over already."""
    return result
    yield


def failed(error):
    """The same for one that raises; not before it is asked for its first step."""
    raise error
    yield


async def _await(operation):
    return await operation


def _settle(future, ended, operation):
    try:
        result = ended.result()
    except BaseException as error:
        if isinstance(error, StopIteration):  # which a future refuses
            stopped, error = error, RuntimeError("a tasklet raised StopIteration")
            error.__cause__ = stopped
        if not future.done():
            future.set_exception(error)
    else:
        if not future.done():
            future.set_result(result)
        elif operation is not None:
            operation._undo(result)  # whoever wanted it has been cancelled


def send_later(what):
    """Sends a value that was received for nobody: takes (channel, value)."""
    channel, value = what
    spawn(_send, channel, value, name="martlet in asyncio")


async def _send(channel, value):
    await channel.asend(value)


def cancel_future(future):
    """Cancels a future of asyncio's, from whatever thread."""
    loop = future.get_loop()
    if asyncio._get_running_loop() is loop:
        future.cancel()
    else:
        _call_on(loop, future.cancel)


def wait_for_future(future):
    """Returns an operation that waits until a future of asyncio's is done; for a tasklet that awaits one."""
    future._asyncio_future_blocking = False
    done = Event()
    loop = future.get_loop()
    if not loop.is_running():
        raise Misuse("a tasklet awaited a future of an event loop that does not run: nobody would complete it")

    def tell(_):
        done.set()

    if asyncio._get_running_loop() is loop:
        future.add_done_callback(tell)
    else:
        loop.call_soon_threadsafe(future.add_done_callback, tell)
    return done.await_()


class guest(_guest):
    """Lets an event loop that is there already run tasklets, between its own callbacks.

        async def main():                       # asyncio's
            async with martlet.guest():
                print(await martlet.spawn(work))

    Takes     how many threads run tasklets, the loop's included; None: as many as martlet.run has.

    In asyncio it is used as shown: tasklets that are spawned on that thread belong to it, and what is left at the end of the block
    is cancelled and waited for. martlet's operations and handles can be awaited in asyncio's coroutines; tasklets on the loop's
    thread see its loop, and coroutine tasklets can await its futures and tasks. Any other loop watches fileno() for readability,
    calls poll() then, and close() at the end; docs/how-to/be-a-guest.md shows Twisted's.
    """

    __module__ = "martlet"

    async def __aenter__(self):
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self.fileno(), self.poll)
        return self

    async def __aexit__(self, *raised):
        self.cancel()
        cancelled = None
        while left := self.tasklets():
            ended = self._loop.create_future()
            left[0].add_done_callback(partial(self._note, ended))
            try:
                await ended
            except asyncio.CancelledError as error:
                cancelled = error  # heard when the tasklets have ended: the guest cannot be left before
        self._loop.remove_reader(self.fileno())
        self.close()
        if cancelled is not None:
            raise cancelled

    def _note(self, ended, _):
        self._loop.call_soon_threadsafe(lambda: ended.done() or ended.set_result(None))
