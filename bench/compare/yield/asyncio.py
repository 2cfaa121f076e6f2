# Two tasks that yield to each other.
import asyncio

from support import report

ROUNDS = 200_000  # of each


async def turns():
    taken = 0
    for _ in range(ROUNDS):
        await asyncio.sleep(0)
        taken += 1
    return taken


async def two():
    return sum(await asyncio.gather(turns(), turns()))


with asyncio.Runner() as runner:
    report(2 * ROUNDS, lambda _: runner.run(two()) == 2 * ROUNDS)
