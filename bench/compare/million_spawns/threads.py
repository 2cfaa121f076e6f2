# Ten thousand threads, a hundredth, that only tell that they ended; their parent waits for each.
import threading

from support import report

CHILDREN = 10_000


def parent(_):
    ended = []
    children = [threading.Thread(target=ended.append, args=(None,)) for _ in range(CHILDREN)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    return len(ended) == CHILDREN


report(CHILDREN, parent, any_threads=True)
