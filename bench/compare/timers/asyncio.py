# A hundred thousand tasks sleep until a moment within one second each, the first of which is half a second away.
import asyncio
import random
import time

from support import quantile, report_figures

TIMERS = 100_000

chance = random.Random(1)
waits = [0.5 + chance.random() for _ in range(TIMERS)]


async def sleep_until(due, late):
    await asyncio.sleep(due - time.monotonic())
    late.append(time.monotonic() - due)


async def crowd():
    late = []
    before = time.process_time()
    start = time.monotonic()
    for task in [asyncio.create_task(sleep_until(start + wait, late)) for wait in waits]:
        await task
    used = time.process_time() - before
    if len(late) != TIMERS or min(late) < 0:
        return None
    return {
        "cpu_ns": used * 1e9 / TIMERS,
        "late_p50_us": quantile(late, 0.50) * 1e6,
        "late_p99_us": quantile(late, 0.99) * 1e6,
    }


with asyncio.Runner() as runner:
    report_figures(lambda _: runner.run(crowd()))
