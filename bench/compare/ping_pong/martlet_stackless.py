# A value goes to another tasklet and comes back raised by one, through channels without a buffer, on one thread in Stackless's order.
from martlet import stackless

from support import report

ROUNDS = 100_000


def answer(requests, replies):
    for value in requests:
        replies.send(value + 1)


def ask(requests, replies, results):
    value = 0
    for _ in range(ROUNDS):
        requests.send(value)
        value = replies.receive()
    requests.send_exception(StopIteration)
    results.append(value)


def pair(_):
    requests, replies, results = stackless.channel(), stackless.channel(), []
    stackless.tasklet(answer)(requests, replies)
    stackless.tasklet(ask)(requests, replies, results)
    stackless.run()
    return results == [ROUNDS]


report(ROUNDS, pair)
