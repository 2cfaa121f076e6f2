# Messages through one channel with 4,096 places, from so many senders to so many receivers.
import martlet

from support import report

MESSAGES = 100_000
PLACES = 4096


async def send(messages, first, step):
    for value in range(first, MESSAGES, step):
        await messages.asend(value)


async def receive(messages):
    total = 0
    async for value in messages:
        total += value
    return total


async def traffic(senders, receivers):
    messages = martlet.channel(PLACES)
    sending = [martlet.spawn(send, messages, i, senders) for i in range(senders)]
    receiving = [martlet.spawn(receive, messages) for _ in range(receivers)]
    for one in sending:
        await one
    messages.close()
    total = 0
    for one in receiving:
        total += await one
    return total == MESSAGES * (MESSAGES - 1) // 2


report(MESSAGES, lambda variant: martlet.run(traffic, *map(int, variant.split("x")), workers=1))
