"""What the tests of isolated workers have done by them: it has to be imported there."""

import threading

import martlet


class Uncopied(Exception):
    """An error that pickle cannot make again."""

    def __init__(self, what, why):
        super().__init__(what)


def add(a, b):
    return a + b


async def add_later(a, b):
    await martlet.asleep(0.001)
    return a + b


def interpreter():
    from concurrent import interpreters

    return interpreters.get_current().id


def own_name():
    return martlet.current().name


def spin_beside(flags, mine, other):
    """Goes on when its twin runs at the same time, without ever waiting for martlet."""
    flags[mine] = 1
    while not flags[other]:
        pass
    return interpreter()


def double(numbers, doubled):
    for number in numbers:
        doubled.send(2 * number)
    doubled.close()


async def double_later(numbers, doubled):
    async for number in numbers:
        await doubled.asend(2 * number)
    doubled.close()


def fail(text):
    raise ValueError(text)


async def fail_later(text):
    raise ValueError(text)


def fail_uncopied():
    raise Uncopied("one", "two")


def leave():
    raise SystemExit(3)


def give_lock():
    return threading.Lock()


def wait_until_stopped(begun, cleaned):
    begun.send(interpreter())
    try:
        martlet.channel().receive()
    finally:
        with martlet.shield():
            cleaned.send("cleaned")


def fill(view, value):
    for index in range(len(view)):
        view[index] = value
    return sum(view)


def kind_of(view):
    return view.format, view.shape, view.readonly, view.tolist()


def lend(size):
    return memoryview(bytearray(b"x" * size))


def spawn_another(n):
    return martlet.spawn(add, n, 1, isolated=True).join()


def spawn_beside(n):
    return martlet.spawn(add, n, 1).join()


class Slow:
    """Waits while it is packed."""

    def __init__(self, begun):
        self.begun = begun

    def __reduce__(self):
        self.begun.send(1)
        martlet.sleep(3600)
        return int, ()


def give_slow(begun):
    return Slow(begun)


class Leaving:
    def __reduce__(self):
        raise SystemExit(4)


def give_leaving():
    return Leaving()


def raise_cancelled():
    raise martlet.Cancelled("made so")


class Cancelling:
    """Raises where it is unpacked."""

    def __reduce__(self):
        return raise_cancelled, ()


def give_cancelling():
    return Cancelling()


def stop_iterating():
    raise StopIteration(3)


class Stopping:
    def __reduce__(self):
        return stop_iterating, ()
