# A hundred pieces of work for the processor alone, a function tasklet each.
import martlet

from support import PIECES, longest, report_speedup, threads_asked


def all_pieces():
    return list(martlet.map(longest, PIECES))


threads = threads_asked()
report_speedup(lambda: martlet.run(all_pieces, workers=threads))
