# A hundred children that only count that they ended, a thousand times over; their parent waits for each hundred.
import gevent

from support import report

BATCHES = 1_000
CHILDREN = 100  # of each


def parent():
    ended = 0

    def nothing():
        nonlocal ended
        ended += 1

    for _ in range(BATCHES):
        gevent.joinall([gevent.spawn(nothing) for _ in range(CHILDREN)])
    return ended


report(BATCHES * CHILDREN, lambda _: gevent.spawn(parent).get() == BATCHES * CHILDREN)
