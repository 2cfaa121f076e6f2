# Eight greenlets lock one mutex, count up and unlock.
import gevent
from gevent.lock import Semaphore

from support import report

GREENLETS = 8
LOCKINGS = 25_000  # of each


def crowd(_):
    lock = Semaphore()
    counted = 0

    def count():
        nonlocal counted
        for _ in range(LOCKINGS):
            with lock:
                counted += 1

    gevent.joinall([gevent.spawn(count) for _ in range(GREENLETS)])
    return counted == GREENLETS * LOCKINGS


report(GREENLETS * LOCKINGS, crowd)
