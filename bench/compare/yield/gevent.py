# Two greenlets that yield to each other.
import gevent

from support import report

ROUNDS = 200_000  # of each


def turns():
    taken = 0
    for _ in range(ROUNDS):
        gevent.sleep(0)
        taken += 1
    return taken


def two(_):
    first, second = gevent.spawn(turns), gevent.spawn(turns)
    return first.get() + second.get() == 2 * ROUNDS


report(2 * ROUNDS, two)
