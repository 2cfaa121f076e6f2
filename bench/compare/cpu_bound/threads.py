# A hundred pieces of work for the processor alone, which a pool of so many threads takes.
from concurrent.futures import ThreadPoolExecutor

from support import PIECES, longest, report_speedup, threads_asked

with ThreadPoolExecutor(threads_asked()) as pool:
    report_speedup(lambda: list(pool.map(longest, PIECES)))
