# One child after the other, each with a value that its parent waits for.
import asyncio

from support import report

CHILDREN = 100_000


async def twice(value):
    return 2 * value


async def parent():
    total = 0
    for i in range(CHILDREN):
        total += await asyncio.create_task(twice(i))
    return total


with asyncio.Runner() as runner:
    report(CHILDREN, lambda _: runner.run(parent()) == CHILDREN * (CHILDREN - 1))
