"""Green threads over all cores: tasklets, channels and a work-stealing scheduler.

    import martlet

    async def produce(numbers):
        for n in range(10):
            await numbers.asend(n)
        numbers.close()

    async def main():
        numbers = martlet.channel()
        martlet.spawn(produce, numbers)
        return sum([n async for n in numbers])

    print(martlet.run(main))

Two kinds of tasklets meet in the same channels. Coroutines ('async def') may go on on another thread after every await;
plain functions may block anywhere and stay on the thread that started them. Names that block are plain (`receive`),
their awaitable twins begin with an 'a' (`areceive`).
"""

from martlet._barrier import Barrier
from martlet._condition import Condition
from martlet._executor import Executor, Future
from martlet._map import amap, map
from martlet._martlet import (
    BoundedSemaphore,
    Cancelled,
    ChannelClosed,
    DeadlinePassed,
    Deadlock,
    Event,
    Lock,
    Misuse,
    RLock,
    Semaphore,
    ablocking,
    aselect,
    asleep,
    ayield,
    blocking,
    channel,
    current,
    explore,
    handle,
    local,
    now,
    operation,
    run,
    scope,
    select,
    selected,
    shield,
    simulate,
    simulation,
    sleep,
    spawn,
    tasklets,
    yield_,
)
from martlet._queues import LifoQueue, PriorityQueue, Queue, ShutDown
from martlet._timeout import timeout

__all__ = [
    "Barrier",
    "BoundedSemaphore",
    "Cancelled",
    "ChannelClosed",
    "Condition",
    "DeadlinePassed",
    "Deadlock",
    "Event",
    "Executor",
    "Future",
    "LifoQueue",
    "Lock",
    "Misuse",
    "PriorityQueue",
    "Queue",
    "RLock",
    "Semaphore",
    "ShutDown",
    "ablocking",
    "amap",
    "aselect",
    "asleep",
    "ayield",
    "blocking",
    "channel",
    "current",
    "explore",
    "guest",
    "handle",
    "local",
    "map",
    "now",
    "operation",
    "run",
    "scope",
    "select",
    "selected",
    "shield",
    "simulate",
    "simulation",
    "sleep",
    "spawn",
    "tasklets",
    "timeout",
    "yield_",
]


def __getattr__(name):
    if name == "guest":  # not before somebody asks: it imports asyncio
        from martlet._asyncio import guest

        return guest
    raise AttributeError(f"module 'martlet' has no attribute {name!r}")
