# Messages through one queue with 4,096 places, from so many senders to so many receivers.
import threading
from queue import Queue

from support import report

MESSAGES = 100_000
PLACES = 4096


def send(queue, first, step):
    for value in range(first, MESSAGES, step):
        queue.put(value)


def receive(queue, count, totals):
    total = 0
    for _ in range(count):
        total += queue.get()
    totals.append(total)


def traffic(variant):
    senders, receivers = map(int, variant.split("x"))
    queue, totals = Queue(PLACES), []
    threads = [threading.Thread(target=send, args=(queue, i, senders)) for i in range(senders)]
    threads += [
        threading.Thread(target=receive, args=(queue, MESSAGES // receivers, totals)) for _ in range(receivers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(totals) == receivers and sum(totals) == MESSAGES * (MESSAGES - 1) // 2


report(MESSAGES, traffic, any_threads=True)
