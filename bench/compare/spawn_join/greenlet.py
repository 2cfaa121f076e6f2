# One child after the other, each with a value that its parent waits for.
from support import channel, report, round_robin

CHILDREN = 100_000


def family(_):
    scheduler = round_robin()
    results = channel(scheduler)
    total = 0

    def twice(value):
        results.send(2 * value)

    def parent(_):
        nonlocal total
        for i in range(CHILDREN):
            scheduler.spawn(twice, i)
            total += results.receive()

    scheduler.spawn(parent)
    scheduler.run()
    return total == CHILDREN * (CHILDREN - 1)


report(CHILDREN, family)
