# A hundred pieces of work for the processor alone, a coroutine each.
import martlet

from support import PIECES, longest, report_speedup, threads_asked


async def work(piece):
    return longest(piece)


async def all_pieces():
    tasklets = [martlet.spawn(work, piece) for piece in PIECES]
    return [await one for one in tasklets]


threads = threads_asked()
report_speedup(lambda: martlet.run(all_pieces, workers=threads))
