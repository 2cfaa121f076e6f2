# A function that only counts that it ended is called a hundred thousand times.
from support import report

CALLS = 100_000


def parent(_):
    ended = 0

    def nothing():
        nonlocal ended
        ended += 1

    for _ in range(CALLS):
        nothing()
    return ended == CALLS


report(CALLS, parent)
