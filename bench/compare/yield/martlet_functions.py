# Two function tasklets that yield to each other.
import martlet

from support import report

ROUNDS = 200_000  # of each


def turns():
    taken = 0
    for _ in range(ROUNDS):
        martlet.yield_()
        taken += 1
    return taken


def two():
    first, second = martlet.spawn(turns), martlet.spawn(turns)
    return first.join() + second.join()


report(2 * ROUNDS, lambda _: martlet.run(two, workers=1) == 2 * ROUNDS)
