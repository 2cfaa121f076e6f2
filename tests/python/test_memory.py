"""What is used is given back: objects, references and pages."""

import gc
import os
import sys

import martlet
import pytest


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def round_trips(count):
    async def echo(a, b):
        async for value in a:
            await b.asend(value)

    a, b = martlet.channel(), martlet.channel()
    echoing = martlet.spawn(echo, a, b)
    for n in range(count):
        await a.asend(n)
        assert await b.areceive() == n
    a.close()
    await echoing


def round_trips_blocking(count):
    def echo(a, b):
        for value in a:
            b.send(value)

    a, b = martlet.channel(), martlet.channel()
    echoing = martlet.spawn(echo, a, b)
    for n in range(count):
        a.send(n)
        assert b.receive() == n
    a.close()
    echoing.join()


async def spawns(count):
    async def child(n):
        return n

    def child_blocking(n):
        return n

    for n in range(count):
        assert await martlet.spawn(child, n) == n
        assert await martlet.spawn(child_blocking, n) == n


async def failures(count):
    async def child(n):
        raise LookupError(n)

    for n in range(count):
        with pytest.raises(LookupError):
            await martlet.spawn(child, n)


async def selects(count):
    a, b = martlet.channel(1), martlet.channel()
    for n in range(count):
        assert await martlet.aselect(b, a.asend(n), timeout=60) == (1, None)
        assert await martlet.aselect(b, a) == (1, n)
        if n % 100 == 0:
            with pytest.raises(martlet.DeadlinePassed):
                await martlet.aselect(b, timeout=0.0001)


async def scopes(count):
    for _ in range(count):
        async with martlet.scope() as inside:
            inside.spawn(martlet.yield_)


async def closings(count):
    for _ in range(count):
        ch = martlet.channel(2)
        await ch.asend(object())
        ch.close()
        async for _ in ch:
            pass


@pytest.mark.parametrize(
    "program, count",
    [
        (round_trips, 5_000), (round_trips_blocking, 5_000), (spawns, 3_000), (failures, 500), (selects, 2_000),
        (scopes, 1_000), (closings, 3_000),
    ],
)  # fmt: skip
def test_doing_it_again_takes_no_more_memory(program, count, workers):
    def some(times):
        for _ in range(times):
            martlet.run(program, count, workers=workers)
        gc.collect()
        return resident(), sys.getrefcount(program), sys.getrefcount(martlet.channel), sys.getrefcount(martlet.handle)

    some(3)
    pages, *references = some(1)
    after, *references_after = some(4)
    assert after - pages < 1.5 * 2**20
    assert all(abs(new - old) < 50 for new, old in zip(references_after, references))


def test_none_keeps_its_references():
    # Before 3.12 None is counted like any other object; a wait that gives or takes one too many would be seen here.
    async def main():
        ch = martlet.channel(1)
        for _ in range(1000):
            await ch.asend(None)
            await ch.areceive()
            await martlet.ayield()
            await martlet.asleep(0)
            ch.try_send(None)
            ch.try_receive()

    def blocking():
        ch = martlet.channel(1)
        for _ in range(1000):
            ch.send(None)
            ch.receive()
            martlet.yield_()
            martlet.sleep(0)

    for program in (main, blocking):
        martlet.run(program)
        before = sys.getrefcount(None)
        martlet.run(program)
        assert abs(sys.getrefcount(None) - before) < 100
