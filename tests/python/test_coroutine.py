"""Coroutine tasklets: many of them, on any thread."""

import gc
import threading
import time
import types

import martlet
import pytest

from conftest import needs_parallel


def spin(n):
    total = 0
    for i in range(n):
        total += i * i % 7
    return total


@needs_parallel
def test_a_coroutine_goes_on_on_another_thread_with_its_locals():
    async def wanders(name):
        here, text, numbers = threading.get_ident(), f"locals of {name}", [name, name + 1]
        seen = {here}
        for turn in range(200):
            spin(2000)
            await martlet.ayield()
            seen.add(threading.get_ident())
            assert text == f"locals of {name}" and numbers == [name, name + 1] and turn < 200
        return seen

    async def main():
        for _ in range(20):  # a busy machine may keep everything on one worker for a while
            results = [await one for one in [martlet.spawn(wanders, n) for n in range(8)]]
            if any(len(seen) > 1 for seen in results):
                return
        pytest.fail("no tasklet was ever seen on two threads")

    martlet.run(main, workers=2)


@needs_parallel
def test_an_exception_that_is_being_handled_travels_along():
    async def wanders(n):
        for turn in range(100):
            try:
                raise ValueError((n, turn))
            except ValueError as error:
                spin(500)
                await martlet.ayield()
                assert error.args == ((n, turn),)
                with pytest.raises(ValueError) as again:
                    raise
                assert again.value is error

    async def main():
        async with martlet.scope() as all:
            for n in range(16):
                all.spawn(wanders, n)

    martlet.run(main, workers=4)


def test_a_hundred_thousand_wait_at_once():
    count = 100_000

    async def waits(ch):
        return await ch.areceive()

    async def main():
        ch = martlet.channel()
        waiting = [martlet.spawn(waits, ch) for _ in range(count)]
        while ch.balance != -count:
            await martlet.ayield()
        assert waiting[0].state == "blocked"
        for n in range(count):
            await ch.asend(n)
        total = 0
        for one in waiting:
            total += await one
        return total

    assert martlet.run(main) == count * (count - 1) // 2


def test_a_collector_that_runs_all_the_time_stops_nobody(workers):
    # The collector of a free-threaded interpreter stops the world: a worker that sleeps attached would hang it.
    async def relay(inward, outward, rounds):
        cycle = []
        cycle.append(cycle)
        for _ in range(rounds):
            await outward.asend((await inward.areceive(), cycle))

    def collect(until):
        while not until.closed:
            gc.collect()
            time.sleep(0.001)  # without a gap the workers of a busy machine hardly get to run between two collections

    async def main():
        rounds, links = 60, [martlet.channel() for _ in range(20)]
        over = martlet.channel()
        collector = threading.Thread(target=collect, args=(over,))
        collector.start()
        relays = [martlet.spawn(relay, links[n], links[n + 1], rounds) for n in range(len(links) - 1)]
        receiver = martlet.spawn(receive, links[-1], rounds)
        for n in range(rounds):
            await links[0].asend(n)
            if n % 10 == 0:
                await martlet.asleep(0.001)  # everybody sleeps
        for one in relays:
            await one
        assert await receiver == list(range(rounds))
        over.close()
        collector.join()

    async def receive(ch, rounds):
        got = []
        for _ in range(rounds):
            value = await ch.areceive()
            while isinstance(value, tuple):
                value = value[0]
            got.append(value)
        return got

    martlet.run(main, workers=workers)


def test_awaits_may_lie_deep_in_coroutines_and_generators():
    async def depth(n):
        if n == 0:
            await martlet.ayield()
            return 0
        return 1 + await depth(n - 1)

    async def numbers(ch):
        async for n in ch:
            yield n
            await martlet.ayield()

    async def main():
        ch = martlet.channel(10)
        for n in range(10):
            ch.try_send(n)
        ch.close()
        assert [n async for n in numbers(ch) if n % 2] == [1, 3, 5, 7, 9]
        return await depth(100)

    assert martlet.run(main) == 100


def test_a_bare_yield_lets_the_others_run():
    @types.coroutine
    def bare():
        yield

    turns = []

    async def count(name):
        for _ in range(3):
            turns.append(name)
            await bare()

    async def main():
        first, second = martlet.spawn(count, "a"), martlet.spawn(count, "b")
        await first
        await second

    martlet.run(main, workers=1)
    assert sorted(turns) == ["a", "a", "a", "b", "b", "b"]
    assert turns not in (["a", "a", "a", "b", "b", "b"], ["b", "b", "b", "a", "a", "a"])


def test_a_tasklet_whose_waits_never_wait_lets_the_others_run():
    async def greedy(ch, seen):
        while not seen:
            await ch.asend(1)
            await ch.areceive()

    async def main():
        seen = []
        martlet.spawn(greedy, martlet.channel(1), seen)

        async def modest():
            seen.append("ran")

        await martlet.spawn(modest)

    martlet.run(main, workers=1)


def test_a_generator_function_of_types_coroutine_is_awaitable():
    @types.coroutine
    def wrapped():
        return (yield from martlet.asleep(0))

    async def main():
        await wrapped()
        return "done"

    assert martlet.run(main) == "done"


def test_what_a_destructor_makes_ready_is_shared_with_workers_that_sleep():
    class Closes:
        def __init__(self, channel):
            self.channel = channel

        def __del__(self):
            self.channel.close()

    ran = threading.Event()

    async def waits(channel):
        async for _ in channel:
            pass
        if first.acquire(blocking=False):
            return ran.wait(10)  # holds its worker until the other one has run
        ran.set()
        return True

    async def returns(what):
        await martlet.asleep(0.1)  # the others sleep by then
        return what

    async def main():
        channel = martlet.channel()
        both = [martlet.spawn(waits, channel) for _ in range(2)]
        martlet.spawn(returns, Closes(channel))
        return [await one for one in both]

    first = threading.Lock()
    assert martlet.run(main, workers=2) == [True, True]


def test_a_pinned_coroutine_stays_on_the_thread_that_begins_it():
    async def stays():
        seen = set()
        for _ in range(200):
            spin(500)
            await martlet.ayield()
            seen.add(threading.get_ident())
        return len(seen)

    async def main():
        async with martlet.scope() as inside:
            children = [martlet.spawn(stays, pin=True), inside.spawn(stays, pin=True), martlet.spawn(stays(), pin=1)]
        return [await one for one in children]

    assert martlet.run(main, workers=4) == [1, 1, 1]
