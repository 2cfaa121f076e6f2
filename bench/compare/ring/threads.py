# A ring of threads and queues pass a number on until it is zero; in the last round each of them ends.
import threading
from queue import SimpleQueue

from support import report

SIZE = 503
PASSES = 100_000


def take_part(mine, following, last):
    value = SIZE
    while value >= SIZE:
        value = mine.get()
        if value > 0:
            following.put(value - 1)
    last.append(value)


def ring(_):
    queues = [SimpleQueue() for _ in range(SIZE)]
    last = []
    threads = [threading.Thread(target=take_part, args=(queues[i - 1], queues[i], last)) for i in range(SIZE)]
    for thread in threads:
        thread.start()
    queues[0].put(PASSES)
    for thread in threads:
        thread.join()
    return sum(last) == sum(range(SIZE)) and len(last) == SIZE


report(PASSES, ring, any_threads=True)
