# A hundred thousand children that only count that they ended; their parent waits for each.
import gevent

from support import report

CHILDREN = 100_000


def parent():
    ended = 0

    def nothing():
        nonlocal ended
        ended += 1

    gevent.joinall([gevent.spawn(nothing) for _ in range(CHILDREN)])
    return ended


report(CHILDREN, lambda _: gevent.spawn(parent).get() == CHILDREN)
