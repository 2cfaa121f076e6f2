# Two tasklets that yield to each other.
import martlet

from support import report

ROUNDS = 200_000  # of each


async def turns():
    taken = 0
    for _ in range(ROUNDS):
        await martlet.ayield()
        taken += 1
    return taken


async def two():
    first, second = martlet.spawn(turns), martlet.spawn(turns)
    return await first + await second


report(2 * ROUNDS, lambda _: martlet.run(two, workers=1) == 2 * ROUNDS)
