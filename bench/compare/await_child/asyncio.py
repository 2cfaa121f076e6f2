# A task that calls an asynchronous function and waits for its value.
import asyncio

from support import report

CALLS = 500_000


async def twice(value):
    return 2 * value


async def parent():
    total = 0
    for i in range(CALLS):
        total += await twice(i)
    return total


with asyncio.Runner() as runner:
    report(CALLS, lambda _: runner.run(parent()) == CALLS * (CALLS - 1))
