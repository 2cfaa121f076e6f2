# One thread after the other, ten thousand and so a hundredth, each with a value that its parent waits for.
import threading

from support import report

CHILDREN = 10_000


def twice(value, result):
    result.append(2 * value)


def parent(_):
    total = 0
    for i in range(CHILDREN):
        result = []
        child = threading.Thread(target=twice, args=(i, result))
        child.start()
        child.join()
        total += result[0]
    return total == CHILDREN * (CHILDREN - 1)


report(CHILDREN, parent, any_threads=True)
