# One child after the other, each with a value that its parent waits for.
import gevent

from support import report

CHILDREN = 100_000


def twice(value):
    return 2 * value


def parent():
    total = 0
    for i in range(CHILDREN):
        total += gevent.spawn(twice, i).get()
    return total


report(CHILDREN, lambda _: gevent.spawn(parent).get() == CHILDREN * (CHILDREN - 1))
