# A ring of tasks and queues with one place pass a number on until it is zero; in the last round each of them ends.
import asyncio

from support import report

SIZE = 503
PASSES = 100_000


async def take_part(mine, following):
    value = SIZE
    while value >= SIZE:
        value = await mine.get()
        if value > 0:
            await following.put(value - 1)
    return value


async def ring():
    queues = [asyncio.Queue(1) for _ in range(SIZE)]
    tasks = [asyncio.create_task(take_part(queues[i - 1], queues[i])) for i in range(SIZE)]
    await queues[0].put(PASSES)
    return sum(await asyncio.gather(*tasks))


with asyncio.Runner() as runner:
    report(PASSES, lambda _: runner.run(ring()) == sum(range(SIZE)))
