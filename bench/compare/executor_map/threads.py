# An executor's map calls a function with a hundred thousand numbers, on so many threads.
from concurrent.futures import ThreadPoolExecutor

from support import report, threads_asked

CALLS = 100_000


def twice(value):
    return 2 * value


with ThreadPoolExecutor(threads_asked()) as pool:
    report(CALLS, lambda _: sum(pool.map(twice, range(CALLS))) == CALLS * (CALLS - 1), any_threads=True)
