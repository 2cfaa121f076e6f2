# A hundred pieces of work for the processor alone, an isolated tasklet each, on so many interpreters.
import os
import sys

import martlet

from support import PIECES, fail, longest, report_speedup, threads_asked


def all_pieces():
    tasklets = [martlet.spawn(longest, piece, isolated=True) for piece in PIECES]
    return [one.join() for one in tasklets]


if sys.version_info < (3, 14):
    fail(3, "there are no isolated workers before Python 3.14")
os.environ["MARTLET_WORKERS"] = str(threads_asked())
report_speedup(lambda: martlet.run(all_pieces, workers=1))
