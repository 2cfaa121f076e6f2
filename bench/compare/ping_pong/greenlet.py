# A value goes to another greenlet and comes back raised by one, through channels without a buffer.
from support import channel, report, round_robin

ROUNDS = 100_000


def pair(_):
    scheduler = round_robin()
    requests, replies = channel(scheduler), channel(scheduler)
    value = 0

    def answer(_):
        while (value := requests.receive()) is not None:
            replies.send(value + 1)

    def ask(_):
        nonlocal value
        for _ in range(ROUNDS):
            requests.send(value)
            value = replies.receive()
        requests.send(None)

    scheduler.spawn(answer)
    scheduler.spawn(ask)
    scheduler.run()
    return value == ROUNDS


report(ROUNDS, pair)
