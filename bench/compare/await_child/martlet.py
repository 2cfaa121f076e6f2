# A tasklet that calls an asynchronous function and waits for its value.
import martlet

from support import report

CALLS = 500_000


async def twice(value):
    return 2 * value


async def parent():
    total = 0
    for i in range(CALLS):
        total += await twice(i)
    return total


report(CALLS, lambda _: martlet.run(parent, workers=1) == CALLS * (CALLS - 1))
