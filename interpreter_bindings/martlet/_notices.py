"""Who waits for a notice: what conditions and queues are made of."""

from collections import deque

from martlet._martlet import Event


class Notices:
    """Those who wait, the oldest first. Every call is made under one lock, the owner's."""

    def __init__(self):
        self._waiting = deque()

    def __len__(self):
        return len(self._waiting)

    def enter(self):
        """Returns an event of the caller's, to wait for when the lock has been released."""
        notice = Event()
        self._waiting.append(notice)
        return notice

    def leave(self, notice):
        """Ends a wait that was not told. Returns whether it has been told after all, in that very moment."""
        try:
            self._waiting.remove(notice)
        except ValueError:
            return True
        return False

    def tell(self, count=1):
        """Tells the oldest `count` of them."""
        while self._waiting and count > 0:
            self._waiting.popleft().set()
            count -= 1

    def tell_all(self):
        self.tell(len(self))
