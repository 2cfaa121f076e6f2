# Messages through one channel with 4,096 places, from so many senders to so many receivers.
from support import channel, report, round_robin

MESSAGES = 100_000
PLACES = 4096


def traffic(variant):
    senders, receivers = map(int, variant.split("x"))
    scheduler = round_robin()
    messages = channel(scheduler, PLACES)
    totals = []

    def send(first):
        for value in range(first, MESSAGES, senders):
            messages.send(value)

    def receive(count):
        total = 0
        for _ in range(count):
            total += messages.receive()
        totals.append(total)

    for i in range(senders):
        scheduler.spawn(send, i)
    for _ in range(receivers):
        scheduler.spawn(receive, MESSAGES // receivers)
    scheduler.run()
    return len(totals) == receivers and sum(totals) == MESSAGES * (MESSAGES - 1) // 2


report(MESSAGES, traffic)
