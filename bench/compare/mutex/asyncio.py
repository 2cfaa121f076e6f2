# Eight tasks lock one mutex, count up and unlock.
import asyncio

from support import report

TASKS = 8
LOCKINGS = 25_000  # of each


async def crowd():
    lock = asyncio.Lock()
    counted = 0

    async def count():
        nonlocal counted
        for _ in range(LOCKINGS):
            async with lock:
                counted += 1

    await asyncio.gather(*(count() for _ in range(TASKS)))
    return counted


with asyncio.Runner() as runner:
    report(TASKS * LOCKINGS, lambda _: runner.run(crowd()) == TASKS * LOCKINGS)
