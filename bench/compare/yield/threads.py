# Two threads that yield to each other.
import threading
import time

from support import report

ROUNDS = 200_000  # of each


def turns(ended):
    taken = 0
    for _ in range(ROUNDS):
        time.sleep(0)
        taken += 1
    ended.append(taken)


def two(_):
    ended = []
    both = [threading.Thread(target=turns, args=(ended,)) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    return sum(ended) == 2 * ROUNDS


report(2 * ROUNDS, two, any_threads=True)
