# A hundred children that only count that they ended, a thousand times over.
from support import report, round_robin

BATCHES = 1_000
CHILDREN = 100  # of each


def families(_):
    scheduler = round_robin()
    ended = 0

    def nothing(_):
        nonlocal ended
        ended += 1

    for _ in range(BATCHES):
        for _ in range(CHILDREN):
            scheduler.spawn(nothing)
        scheduler.run()
    return ended == BATCHES * CHILDREN


report(BATCHES * CHILDREN, families)
