# A hundred thousand greenlets that wait, each for a value from one channel: what each weighs, takes to make and wake.
import gc
import time

import gevent
from gevent.queue import Channel

from support import report_figures, resident_bytes

GREENLETS = 100_000

growth = []  # of memory; of the first time, because the second one uses it again


def crowd(_):
    values = Channel()
    total = 0

    def wait():
        nonlocal total
        value = values.get()
        total += value

    gc.collect()
    before = resident_bytes()
    start = time.perf_counter_ns()
    greenlets = [gevent.spawn(wait) for _ in range(GREENLETS)]
    while values.balance > -GREENLETS:
        gevent.sleep(0)
    created = time.perf_counter_ns() - start
    growth.append(resident_bytes() - before)
    start = time.perf_counter_ns()
    for value in range(GREENLETS):
        values.put(value)
    gevent.joinall(greenlets)
    woken = time.perf_counter_ns() - start
    if total != GREENLETS * (GREENLETS - 1) // 2:
        return None
    return {"bytes": growth[0] / GREENLETS, "create_ns": created / GREENLETS, "wake_ns": woken / GREENLETS}


report_figures(crowd)
