# A function is called with a hundred thousand numbers.
from support import report

CALLS = 100_000


def twice(value):
    return 2 * value


report(CALLS, lambda _: sum(map(twice, range(CALLS))) == CALLS * (CALLS - 1))
