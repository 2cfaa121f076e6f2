# A ring of functions and channels without a buffer pass a number on until it is zero; in the last round each ends.
import martlet

from support import report

SIZE = 503
PASSES = 100_000


def take_part(mine, following):
    value = SIZE
    while value >= SIZE:
        value = mine.receive()
        if value > 0:
            following.send(value - 1)
    return value


def ring():
    channels = [martlet.channel() for _ in range(SIZE)]
    tasklets = [martlet.spawn(take_part, channels[i - 1], channels[i]) for i in range(SIZE)]
    channels[0].send(PASSES)
    return sum(one.join() for one in tasklets)


report(PASSES, lambda _: martlet.run(ring, workers=1) == sum(range(SIZE)))
