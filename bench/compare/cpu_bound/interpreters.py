# A hundred pieces of work for the processor alone, which a pool of so many threads with an interpreter each takes.
import concurrent.futures
import sys

from support import PIECES, fail, longest, report_speedup, threads_asked

if sys.version_info < (3, 14):
    fail(3, "there is no pool of interpreters before Python 3.14")
with concurrent.futures.InterpreterPoolExecutor(threads_asked()) as pool:
    report_speedup(lambda: list(pool.map(longest, PIECES)))
