# Eight threads lock one mutex, count up and unlock.
import threading

from support import report

THREADS = 8
LOCKINGS = 25_000  # of each


def crowd(_):
    lock = threading.Lock()
    counted = 0

    def count():
        nonlocal counted
        for _ in range(LOCKINGS):
            with lock:
                counted += 1

    threads = [threading.Thread(target=count) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return counted == THREADS * LOCKINGS


report(THREADS * LOCKINGS, crowd, any_threads=True)
