# A pool's map calls a function with a hundred thousand numbers, each in a greenlet.
from gevent.pool import Group

from support import report

CALLS = 100_000


def twice(value):
    return 2 * value


pool = Group()
report(CALLS, lambda _: sum(pool.map(twice, range(CALLS))) == CALLS * (CALLS - 1))
