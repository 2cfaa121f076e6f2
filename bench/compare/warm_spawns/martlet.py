# A hundred children that only count that they ended, in one scope, a thousand times over.
import martlet

from support import report

BATCHES = 1_000
CHILDREN = 100  # of each


async def parent():
    ended = 0

    async def nothing():
        nonlocal ended
        ended += 1

    for _ in range(BATCHES):
        async with martlet.scope() as all_of_them:
            for _ in range(CHILDREN):
                all_of_them.spawn(nothing)
    return ended


report(BATCHES * CHILDREN, lambda _: martlet.run(parent, workers=1) == BATCHES * CHILDREN)
