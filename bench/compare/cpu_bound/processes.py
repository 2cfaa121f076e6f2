# A hundred pieces of work for the processor alone, which a pool of so many processes takes.
from concurrent.futures import ProcessPoolExecutor

from support import PIECES, longest, report_speedup, threads_asked

if __name__ == "__main__":  # which a process that is not forked imports again
    with ProcessPoolExecutor(threads_asked()) as pool:
        report_speedup(lambda: list(pool.map(longest, PIECES)))
