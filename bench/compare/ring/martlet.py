# A ring of tasklets and channels without a buffer pass a number on until it is zero; in the last round each ends.
import martlet

from support import report

SIZE = 503
PASSES = 100_000


async def take_part(mine, following):
    value = SIZE
    while value >= SIZE:
        value = await mine.areceive()
        if value > 0:
            await following.asend(value - 1)
    return value


async def ring():
    channels = [martlet.channel() for _ in range(SIZE)]
    tasklets = [martlet.spawn(take_part, channels[i - 1], channels[i]) for i in range(SIZE)]
    await channels[0].asend(PASSES)
    total = 0
    for one in tasklets:
        total += await one
    return total


report(PASSES, lambda _: martlet.run(ring, workers=1) == sum(range(SIZE)))
