# A ring of greenlets and channels without a buffer pass a number on until it is zero; in the last round each ends.
from support import channel, report, round_robin

SIZE = 503
PASSES = 100_000


def ring(_):
    scheduler = round_robin()
    channels = [channel(scheduler) for _ in range(SIZE)]
    last = []

    def take_part(number):
        mine, following = channels[number - 1], channels[number]
        value = SIZE
        while value >= SIZE:
            value = mine.receive()
            if value > 0:
                following.send(value - 1)
        last.append(value)

    for number in range(SIZE):
        scheduler.spawn(take_part, number)
    scheduler.spawn(channels[0].send, PASSES)
    scheduler.run()
    return sum(last) == sum(range(SIZE)) and len(last) == SIZE


report(PASSES, ring)
