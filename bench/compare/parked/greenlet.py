# A hundred thousand greenlets that wait, each for a value from one channel: what each weighs, takes to make and wake.
import gc
import time

from support import channel, report_figures, resident_bytes, round_robin

GREENLETS = 100_000

growth = []  # of memory; of the first time, because the second one uses it again


def crowd(_):
    scheduler = round_robin()
    values = channel(scheduler)
    total = 0

    def wait(_):
        nonlocal total
        value = values.receive()
        total += value

    def wake(_):
        for value in range(GREENLETS):
            values.send(value)

    gc.collect()
    before = resident_bytes()
    start = time.perf_counter_ns()
    for _ in range(GREENLETS):
        scheduler.spawn(wait)
    scheduler.run()
    created = time.perf_counter_ns() - start
    growth.append(resident_bytes() - before)
    parked = len(values.receivers)
    start = time.perf_counter_ns()
    scheduler.spawn(wake)
    scheduler.run()
    woken = time.perf_counter_ns() - start
    if parked != GREENLETS or total != GREENLETS * (GREENLETS - 1) // 2:
        return None
    return {"bytes": growth[0] / GREENLETS, "create_ns": created / GREENLETS, "wake_ns": woken / GREENLETS}


report_figures(crowd)
