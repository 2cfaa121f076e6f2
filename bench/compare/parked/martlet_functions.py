# A hundred thousand functions that wait, each for a value from one channel: what each weighs, takes to make and wake.
import gc
import time

import martlet

from support import report_figures, resident_bytes

TASKLETS = 100_000

growth = []  # of memory; of the first time, because the second one uses it again


def crowd():
    values = martlet.channel()
    total = 0

    def wait():
        nonlocal total
        value = values.receive()
        total += value

    gc.collect()
    before = resident_bytes()
    start = time.perf_counter_ns()
    with martlet.scope() as all_of_them:
        for _ in range(TASKLETS):
            all_of_them.spawn(wait)
        while values.balance > -TASKLETS:
            martlet.yield_()
        created = time.perf_counter_ns() - start
        growth.append(resident_bytes() - before)
        start = time.perf_counter_ns()
        for value in range(TASKLETS):
            values.send(value)
    woken = time.perf_counter_ns() - start
    if total != TASKLETS * (TASKLETS - 1) // 2:
        return None
    return {"bytes": growth[0] / TASKLETS, "create_ns": created / TASKLETS, "wake_ns": woken / TASKLETS}


report_figures(lambda _: martlet.run(crowd, workers=1))
