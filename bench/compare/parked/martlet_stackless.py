# A hundred thousand tasklets that wait, each for a value from one channel: what each weighs, takes to make and wake.
import gc
import time

from martlet import stackless

from support import report_figures, resident_bytes

TASKLETS = 100_000

growth = []  # of memory; of the first time, because the second one uses it again


def crowd(_):
    values = stackless.channel()
    total = 0

    def wait():
        nonlocal total
        value = values.receive()
        total += value

    gc.collect()
    before = resident_bytes()
    start = time.perf_counter_ns()
    for _ in range(TASKLETS):
        stackless.tasklet(wait)()
    stackless.run()
    created = time.perf_counter_ns() - start
    growth.append(resident_bytes() - before)
    parked = -values.balance
    start = time.perf_counter_ns()
    for value in range(TASKLETS):
        values.send(value)
    stackless.run()
    woken = time.perf_counter_ns() - start
    if parked != TASKLETS or total != TASKLETS * (TASKLETS - 1) // 2:
        return None
    return {"bytes": growth[0] / TASKLETS, "create_ns": created / TASKLETS, "wake_ns": woken / TASKLETS}


report_figures(crowd)
