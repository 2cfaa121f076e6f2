# Eight tasklets lock one mutex, count up and unlock.
import martlet

from support import report

TASKLETS = 8
LOCKINGS = 25_000  # of each


async def crowd():
    lock = martlet.Lock()
    counted = 0

    async def count():
        nonlocal counted
        for _ in range(LOCKINGS):
            async with lock:
                counted += 1

    async with martlet.scope() as all_of_them:
        for _ in range(TASKLETS):
            all_of_them.spawn(count)
    return counted


report(TASKLETS * LOCKINGS, lambda _: martlet.run(crowd, workers=1) == TASKLETS * LOCKINGS)
