# An executor's map calls a function with a hundred thousand numbers, each in a tasklet, from a thread outside of any run.
import os

import martlet

from support import report, threads_asked

CALLS = 100_000


def twice(value):
    return 2 * value


os.environ["MARTLET_WORKERS"] = str(threads_asked())
with martlet.Executor() as pool:
    report(CALLS, lambda _: sum(pool.map(twice, range(CALLS))) == CALLS * (CALLS - 1), any_threads=True)
