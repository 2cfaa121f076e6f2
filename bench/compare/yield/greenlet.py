# Two greenlets that yield to each other.
from support import report, round_robin

ROUNDS = 200_000  # of each


def two(_):
    scheduler = round_robin()
    ended = []

    def turns(_):
        taken = 0
        for _ in range(ROUNDS):
            scheduler.turn()
            taken += 1
        ended.append(taken)

    scheduler.spawn(turns)
    scheduler.spawn(turns)
    scheduler.run()
    return sum(ended) == 2 * ROUNDS


report(2 * ROUNDS, two)
