# A hundred children that only count that they ended, a thousand times over; their parent waits for each.
import asyncio

from support import report

BATCHES = 1_000
CHILDREN = 100  # of each


async def parent():
    ended = 0

    async def nothing():
        nonlocal ended
        ended += 1

    for _ in range(BATCHES):
        for child in [asyncio.create_task(nothing()) for _ in range(CHILDREN)]:
            await child
    return ended


with asyncio.Runner() as runner:
    report(BATCHES * CHILDREN, lambda _: runner.run(parent()) == BATCHES * CHILDREN)
