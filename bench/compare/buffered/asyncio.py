# Messages through one queue with 4,096 places, from so many senders to so many receivers.
import asyncio

from support import report

MESSAGES = 100_000
PLACES = 4096


async def send(queue, first, step):
    for value in range(first, MESSAGES, step):
        await queue.put(value)


async def receive(queue, count):
    total = 0
    for _ in range(count):
        total += await queue.get()
    return total


async def traffic(senders, receivers):
    queue = asyncio.Queue(PLACES)
    sending = [asyncio.create_task(send(queue, i, senders)) for i in range(senders)]
    totals = await asyncio.gather(*(receive(queue, MESSAGES // receivers) for _ in range(receivers)))
    await asyncio.gather(*sending)
    return sum(totals) == MESSAGES * (MESSAGES - 1) // 2


with asyncio.Runner() as runner:
    report(MESSAGES, lambda variant: runner.run(traffic(*map(int, variant.split("x")))))
