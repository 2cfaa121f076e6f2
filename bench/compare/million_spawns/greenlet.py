# A hundred thousand children that only count that they ended.
from support import report, round_robin

CHILDREN = 100_000


def family(_):
    scheduler = round_robin()
    ended = 0

    def nothing(_):
        nonlocal ended
        ended += 1

    for _ in range(CHILDREN):
        scheduler.spawn(nothing)
    scheduler.run()
    return ended == CHILDREN


report(CHILDREN, family)
