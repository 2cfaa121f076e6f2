"""What the Python programs of `./dev compare` share; README.md says what they are asked and what they print."""

import os
import sys
import time
from collections import deque


def fail(code, why):
    print(f"{sys.argv[0]}: {why}", file=sys.stderr)
    sys.exit(code)


def threads_asked():
    """Returns how many threads may be used."""
    if len(sys.argv) != 3 or not sys.argv[1].isdecimal() or int(sys.argv[1]) == 0:
        print(f"usage: {sys.argv[0]} THREADS VARIANT", file=sys.stderr)
        sys.exit(2)
    return int(sys.argv[1])


def asked(any_threads=False):
    """Returns the variant that is wanted; leaves with 3 where more threads are wanted than the one that can be had."""
    if threads_asked() != 1 and not any_threads:
        fail(3, "runs its tasks on one thread only")
    return sys.argv[2]


def report_figures(work, any_threads=False):
    """Does the work twice; work(variant) returns its figures by name, or nothing unless all of it was really done."""
    variant = asked(any_threads)
    for _ in range(2):
        figures = work(variant)
        if not figures:
            fail(1, "the work was not done")
    for name, value in figures.items():
        print(f"{name} {value:.3f}")


def report(operations, work, any_threads=False):
    """The same for work whose only figure is `ns`; work(variant) returns whether all of it was really done."""

    def timed(variant):
        start = time.perf_counter_ns()
        done = work(variant)
        took = time.perf_counter_ns() - start
        return {"ns": took / operations} if done else None

    report_figures(timed, any_threads)


PIECES = [range(first, first + 1_000) for first in range(1, 100_000, 1_000)]  # of work, some milliseconds each


def longest(numbers):
    """Returns (steps, number) of the one from which it takes the most steps down to 1: half of it, or three times it and 1."""
    best = (0, 0)
    for number in numbers:
        steps, n = 0, number
        while n != 1:
            n = 3 * n + 1 if n & 1 else n >> 1
            steps += 1
        best = max(best, (steps, number))
    return best


def report_speedup(work, any_threads=True):
    """The figures of `cpu_bound`; work() returns the longest of each piece, in order. A plain loop is beside it each time."""

    def timed(_):
        start = time.perf_counter_ns()
        expected = [longest(piece) for piece in PIECES]
        alone = time.perf_counter_ns() - start
        start = time.perf_counter_ns()
        found = work()
        took = time.perf_counter_ns() - start
        return {"ms": took / 1e6, "speedup": alone / took} if found == expected else None

    report_figures(timed, any_threads)


def resident_bytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def quantile(values, share):
    return sorted(values)[int(share * (len(values) - 1))]


class round_robin:
    """Runs greenlets in turn; one that waits goes to the next one directly."""

    def __init__(self):
        import greenlet

        self.greenlet, self.current = greenlet.greenlet, greenlet.getcurrent
        self.main = greenlet.getcurrent()
        self.ready = deque()  # (greenlet, what its switch gets): its argument at first, later what it waited for

    def spawn(self, what, argument=None):
        new = self.greenlet(what, self.main)
        self.ready.append((new, argument))
        return new

    def run(self):
        """Returns when no greenlet can go on."""
        while self.ready:
            next_one, value = self.ready.popleft()
            next_one.switch(value)

    def wait(self):
        """Returns the value with which somebody puts the greenlet that calls into `ready`."""
        if self.ready and self.ready[0][0]:  # has begun; a new one would begin on top of this stack, so `run` starts it
            next_one, value = self.ready.popleft()
            return next_one.switch(value)
        return self.main.switch()

    def turn(self):
        """Lets the others go first."""
        self.ready.append((self.current(), None))
        self.wait()


class channel:
    """Carries values between the greenlets of a round robin; with no places a sender waits for its receiver."""

    def __init__(self, scheduler, places=0):
        self.scheduler, self.places = scheduler, places
        self.values, self.senders, self.receivers = deque(), deque(), deque()

    def send(self, value):
        if self.receivers:
            self.scheduler.ready.append((self.receivers.popleft(), value))
        elif len(self.values) < self.places:
            self.values.append(value)
        else:
            self.senders.append((self.scheduler.current(), value))
            self.scheduler.wait()

    def receive(self):
        if not self.values and not self.senders:
            self.receivers.append(self.scheduler.current())
            return self.scheduler.wait()
        if self.senders:
            sender, value = self.senders.popleft()
            self.values.append(value)
            self.scheduler.ready.append((sender, None))
        return self.values.popleft()
