# A hundred pieces of work for the processor alone, one after the other.
from support import PIECES, longest, report_speedup

report_speedup(lambda: list(map(longest, PIECES)), any_threads=False)
