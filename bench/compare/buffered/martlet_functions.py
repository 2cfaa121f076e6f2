# Messages through one channel with 4,096 places, from so many senders to so many receivers, all of them functions.
import martlet

from support import report

MESSAGES = 100_000
PLACES = 4096


def send(messages, first, step):
    for value in range(first, MESSAGES, step):
        messages.send(value)


def receive(messages):
    return sum(messages)


def traffic(senders, receivers):
    messages = martlet.channel(PLACES)
    sending = [martlet.spawn(send, messages, i, senders) for i in range(senders)]
    receiving = [martlet.spawn(receive, messages) for _ in range(receivers)]
    for one in sending:
        one.join()
    messages.close()
    return sum(one.join() for one in receiving) == MESSAGES * (MESSAGES - 1) // 2


report(MESSAGES, lambda variant: martlet.run(traffic, *map(int, variant.split("x")), workers=1))
