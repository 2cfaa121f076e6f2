"""What the server of embed_python.cpp does with a request. Nothing here knows of C++."""

import collections

import martlet

given_up = []  # of waiting; appending is safe on all cores


async def greet(name):
    await martlet.asleep(0.001)  # asks a database, say
    return f"hello, {name}"


def add(numbers):
    martlet.sleep(0.001)  # a plain function may block anywhere
    return str(sum(int(number) for number in numbers.split()))


async def wait(seconds):
    try:
        await martlet.asleep(float(seconds))
    except martlet.Cancelled:
        given_up.append(seconds)
        raise
    return f"waited {seconds} s"


HANDLERS = {"greet": greet, "add": add, "wait": wait}


def count(seen, report):
    """A tasklet that lives as long as the server: C++ sends what was asked for, and receives what came of it."""
    asked = collections.Counter(seen)
    report.send(", ".join(f"{asked[name]} {name}" for name in HANDLERS) + f", {len(given_up)} given up")
