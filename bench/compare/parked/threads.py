# Two thousand threads that wait, each for a value from one queue: what each weighs, takes to make and to wake.
import gc
import threading
import time
from queue import SimpleQueue

from support import report_figures, resident_bytes

THREADS = 2_000

growth = []  # of memory; of the first time, because the second one uses it again


def wait(values, started, received):
    started.append(None)
    received.append(values.get())


def crowd(_):
    values, started, received = SimpleQueue(), [], []
    gc.collect()
    before = resident_bytes()
    start = time.perf_counter_ns()
    threads = [threading.Thread(target=wait, args=(values, started, received)) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    while len(started) < THREADS:
        time.sleep(0)
    created = time.perf_counter_ns() - start
    growth.append(resident_bytes() - before)
    start = time.perf_counter_ns()
    for value in range(THREADS):
        values.put(value)
    for thread in threads:
        thread.join()
    woken = time.perf_counter_ns() - start
    if sum(received) != THREADS * (THREADS - 1) // 2:
        return None
    return {"bytes": growth[0] / THREADS, "create_ns": created / THREADS, "wake_ns": woken / THREADS}


report_figures(crowd, any_threads=True)
