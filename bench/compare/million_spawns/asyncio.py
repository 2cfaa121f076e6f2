# A hundred thousand children that only count that they ended; their parent waits for each.
import asyncio

from support import report

CHILDREN = 100_000


async def parent():
    ended = 0

    async def nothing():
        nonlocal ended
        ended += 1

    for child in [asyncio.create_task(nothing()) for _ in range(CHILDREN)]:
        await child
    return ended


with asyncio.Runner() as runner:
    report(CHILDREN, lambda _: runner.run(parent()) == CHILDREN)
