# One function after the other, each with a value that its parent waits for.
import martlet

from support import report

CHILDREN = 100_000


def twice(value):
    return 2 * value


def parent():
    total = 0
    for i in range(CHILDREN):
        total += martlet.spawn(twice, i).join()
    return total


report(CHILDREN, lambda _: martlet.run(parent, workers=1) == CHILDREN * (CHILDREN - 1))
