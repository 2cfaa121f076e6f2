# A hundred threads that only tell that they ended, a hundred times over, and so a tenth; their parent waits for each.
import threading

from support import report

BATCHES = 100
CHILDREN = 100  # of each


def parent(_):
    ended = []
    for _ in range(BATCHES):
        children = [threading.Thread(target=ended.append, args=(None,)) for _ in range(CHILDREN)]
        for child in children:
            child.start()
        for child in children:
            child.join()
    return len(ended) == BATCHES * CHILDREN


report(BATCHES * CHILDREN, parent, any_threads=True)
