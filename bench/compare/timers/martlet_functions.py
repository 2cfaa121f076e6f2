# A hundred thousand functions sleep until a moment within one second each, the first of which is half a second away.
import random
import time

import martlet

from support import quantile, report_figures

TIMERS = 100_000

chance = random.Random(1)
waits = [0.5 + chance.random() for _ in range(TIMERS)]


def sleep_until(due, late):
    martlet.sleep(due - time.monotonic())
    late.append(time.monotonic() - due)


def crowd():
    late = []
    before = time.process_time()
    start = time.monotonic()
    with martlet.scope() as all_of_them:
        for wait in waits:
            all_of_them.spawn(sleep_until, start + wait, late)
    used = time.process_time() - before
    if len(late) != TIMERS or min(late) < 0:
        return None
    return {
        "cpu_ns": used * 1e9 / TIMERS,
        "late_p50_us": quantile(late, 0.50) * 1e6,
        "late_p99_us": quantile(late, 0.99) * 1e6,
    }


report_figures(lambda _: martlet.run(crowd, workers=1))
