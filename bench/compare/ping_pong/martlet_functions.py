# A value goes to another function tasklet and comes back raised by one, through channels without a buffer.
import martlet

from support import report

ROUNDS = 100_000


def answer(requests, replies):
    for value in requests:
        replies.send(value + 1)


def ask():
    requests, replies = martlet.channel(), martlet.channel()
    answering = martlet.spawn(answer, requests, replies)
    value = 0
    for _ in range(ROUNDS):
        requests.send(value)
        value = replies.receive()
    requests.close()
    answering.join()
    return value


report(ROUNDS, lambda _: martlet.run(ask, workers=1) == ROUNDS)
