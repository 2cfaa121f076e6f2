# A value goes to another greenlet and comes back raised by one, through channels without a buffer.
import gevent
from gevent.queue import Channel

from support import report

ROUNDS = 100_000


def answer(requests, replies):
    while (value := requests.get()) is not None:
        replies.put(value + 1)


def ask():
    requests, replies = Channel(), Channel()
    answering = gevent.spawn(answer, requests, replies)
    value = 0
    for _ in range(ROUNDS):
        requests.put(value)
        value = replies.get()
    requests.put(None)
    answering.get()
    return value


report(ROUNDS, lambda _: gevent.spawn(ask).get() == ROUNDS)
