# A hundred thousand children that only count that they ended, in one scope.
import martlet

from support import report

CHILDREN = 100_000


async def parent():
    ended = 0

    async def nothing():
        nonlocal ended
        ended += 1

    async with martlet.scope() as all_of_them:
        for _ in range(CHILDREN):
            all_of_them.spawn(nothing)
    return ended


report(CHILDREN, lambda _: martlet.run(parent, workers=1) == CHILDREN)
