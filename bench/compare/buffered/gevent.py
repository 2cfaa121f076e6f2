# Messages through one queue with 4,096 places, from so many senders to so many receivers.
import gevent
from gevent.queue import Queue

from support import report

MESSAGES = 100_000
PLACES = 4096


def send(queue, first, step):
    for value in range(first, MESSAGES, step):
        queue.put(value)


def receive(queue, count):
    total = 0
    for _ in range(count):
        total += queue.get()
    return total


def traffic(variant):
    senders, receivers = map(int, variant.split("x"))
    queue = Queue(PLACES)
    sending = [gevent.spawn(send, queue, i, senders) for i in range(senders)]
    receiving = [gevent.spawn(receive, queue, MESSAGES // receivers) for _ in range(receivers)]
    gevent.joinall(sending)
    return sum(one.get() for one in receiving) == MESSAGES * (MESSAGES - 1) // 2


report(MESSAGES, traffic)
