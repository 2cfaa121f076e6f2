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

from martlet._martlet import (
    Cancelled,
    ChannelClosed,
    DeadlinePassed,
    Deadlock,
    Misuse,
    aselect,
    asleep,
    ayield,
    channel,
    current,
    explore,
    handle,
    operation,
    run,
    scope,
    select,
    selected,
    simulate,
    simulation,
    sleep,
    spawn,
    yield_,
)

__all__ = [
    "Cancelled",
    "ChannelClosed",
    "DeadlinePassed",
    "Deadlock",
    "Misuse",
    "aselect",
    "asleep",
    "ayield",
    "channel",
    "current",
    "explore",
    "handle",
    "operation",
    "run",
    "scope",
    "select",
    "selected",
    "simulate",
    "simulation",
    "sleep",
    "spawn",
    "yield_",
]
