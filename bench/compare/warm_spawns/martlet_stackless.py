# A hundred tasklets that only count that they ended, a thousand times over, on one thread in Stackless's order.
from martlet import stackless

from support import report

BATCHES = 1_000
CHILDREN = 100  # of each


def families(_):
    ended = 0

    def nothing():
        nonlocal ended
        ended += 1

    for _ in range(BATCHES):
        for _ in range(CHILDREN):
            stackless.tasklet(nothing)()
        stackless.run()
    return ended == BATCHES * CHILDREN


report(BATCHES * CHILDREN, families)
