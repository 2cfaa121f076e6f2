# A value goes to another thread and comes back raised by one, through the queues that cost the least.
import threading
from queue import SimpleQueue

from support import report

ROUNDS = 100_000


def answer(requests, replies):
    while (value := requests.get()) is not None:
        replies.put(value + 1)


def ask(_):
    requests, replies = SimpleQueue(), SimpleQueue()
    answering = threading.Thread(target=answer, args=(requests, replies))
    answering.start()
    value = 0
    for _ in range(ROUNDS):
        requests.put(value)
        value = replies.get()
    requests.put(None)
    answering.join()
    return value == ROUNDS


report(ROUNDS, ask, any_threads=True)
