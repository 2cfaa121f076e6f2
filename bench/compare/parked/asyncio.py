# A hundred thousand tasks that wait, each for a value from one queue: what each weighs, takes to make and to wake.
import asyncio
import gc
import time

from support import report_figures, resident_bytes

TASKS = 100_000

growth = []  # of memory; of the first time, because the second one uses it again


async def crowd():
    values = asyncio.Queue(1)
    total = started = 0

    async def wait():
        nonlocal total, started
        started += 1
        value = await values.get()
        total += value

    gc.collect()
    before = resident_bytes()
    start = time.perf_counter_ns()
    tasks = [asyncio.create_task(wait()) for _ in range(TASKS)]
    while started < TASKS:
        await asyncio.sleep(0)
    created = time.perf_counter_ns() - start
    growth.append(resident_bytes() - before)
    start = time.perf_counter_ns()
    for value in range(TASKS):
        await values.put(value)
    for task in tasks:
        await task
    woken = time.perf_counter_ns() - start
    if total != TASKS * (TASKS - 1) // 2:
        return None
    return {"bytes": growth[0] / TASKS, "create_ns": created / TASKS, "wake_ns": woken / TASKS}


with asyncio.Runner() as runner:
    report_figures(lambda _: runner.run(crowd()))
