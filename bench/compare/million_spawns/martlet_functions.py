# A hundred thousand functions that only count that they ended, in one scope.
import martlet

from support import report

CHILDREN = 100_000


def parent():
    ended = 0

    def nothing():
        nonlocal ended
        ended += 1

    with martlet.scope() as all_of_them:
        for _ in range(CHILDREN):
            all_of_them.spawn(nothing)
    return ended


report(CHILDREN, lambda _: martlet.run(parent, workers=1) == CHILDREN)
