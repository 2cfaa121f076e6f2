# A hundred pieces of work for the processor alone, a tasklet each, which are spread over the threads.
from martlet import stackless

from support import PIECES, longest, report_speedup, threads_asked


def all_pieces():
    found = [None] * len(PIECES)

    def work(n):
        found[n] = longest(PIECES[n])

    for n in range(len(PIECES)):
        stackless.tasklet(work)(n)
    stackless.run()
    return found


stackless.spread(threads_asked())
report_speedup(all_pieces)
