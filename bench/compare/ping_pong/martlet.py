# A value goes to another tasklet and comes back raised by one, through channels without a buffer.
import martlet

from support import report

ROUNDS = 100_000


async def answer(requests, replies):
    async for value in requests:
        await replies.asend(value + 1)


async def ask():
    requests, replies = martlet.channel(), martlet.channel()
    answering = martlet.spawn(answer, requests, replies)
    value = 0
    for _ in range(ROUNDS):
        await requests.asend(value)
        value = await replies.areceive()
    requests.close()
    await answering
    return value


report(ROUNDS, lambda _: martlet.run(ask, workers=1) == ROUNDS)
