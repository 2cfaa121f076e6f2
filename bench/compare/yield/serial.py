# A coroutine lets go four hundred thousand times, and a loop in C goes on with it each time: that of deque over that of map,
# which calls its `send`. It is as near to a bare loop over PyIter_Send as Python comes without C of one's own.
from collections import deque
from itertools import repeat
from types import coroutine

from support import report

YIELDS = 400_000


@coroutine
def let_go():
    yield


def resumed(_):
    ended = []

    async def turns():
        taken = 0
        for _ in range(YIELDS):
            await let_go()
            taken += 1
        ended.append(taken)

    deque(map(turns().send, repeat(None)), maxlen=0)  # its StopIteration is the end of map's
    return ended == [YIELDS]


report(YIELDS, resumed)
