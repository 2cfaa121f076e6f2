# A value goes to another task and comes back raised by one, through queues with one place, the fewest there are.
import asyncio

from support import report

ROUNDS = 100_000


async def answer(requests, replies):
    while (value := await requests.get()) is not None:
        await replies.put(value + 1)


async def ask():
    requests, replies = asyncio.Queue(1), asyncio.Queue(1)
    answering = asyncio.create_task(answer(requests, replies))
    value = 0
    for _ in range(ROUNDS):
        await requests.put(value)
        value = await replies.get()
    await requests.put(None)
    await answering
    return value


with asyncio.Runner() as runner:
    report(ROUNDS, lambda _: runner.run(ask()) == ROUNDS)
