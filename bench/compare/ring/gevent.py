# A ring of greenlets and channels without a buffer pass a number on until it is zero; in the last round each ends.
import gevent
from gevent.queue import Channel

from support import report

SIZE = 503
PASSES = 100_000


def take_part(mine, following):
    value = SIZE
    while value >= SIZE:
        value = mine.get()
        if value > 0:
            following.put(value - 1)
    return value


def ring(_):
    channels = [Channel() for _ in range(SIZE)]
    greenlets = [gevent.spawn(take_part, channels[i - 1], channels[i]) for i in range(SIZE)]
    channels[0].put(PASSES)
    return sum(one.get() for one in greenlets) == sum(range(SIZE))


report(PASSES, ring)
