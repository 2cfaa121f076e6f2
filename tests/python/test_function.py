"""Function tasklets: plain functions that block anywhere."""

import contextlib
import gc
import sys
import threading
import time

import martlet
import pytest

from conftest import needs_parallel


def test_a_started_function_stays_on_its_thread(workers):
    def stays(ch):
        seen = {threading.get_ident()}
        for _ in range(50):
            martlet.yield_()
            seen.add(threading.get_ident())
            ch.send(1)
            seen.add(threading.get_ident())
            martlet.sleep(0.0001)
            seen.add(threading.get_ident())
        return seen

    async def drain(ch):
        return len([None async for _ in ch])

    async def main():
        ch = martlet.channel()
        drained = martlet.spawn(drain, ch)
        handles = [martlet.spawn(stays, ch) for _ in range(20)]
        for one in handles:
            assert len(await one) == 1
        ch.close()
        assert await drained == 20 * 50

    martlet.run(main, workers=workers)


@needs_parallel
def test_fresh_functions_are_stolen():
    def work():
        total = 0
        for i in range(20_000):
            total += i
        return threading.get_ident()

    async def main():
        for _ in range(50):
            handles = [martlet.spawn(work) for _ in range(50)]
            if len({await one for one in handles}) > 1:
                return
        pytest.fail("all functions ran on one thread")

    martlet.run(main, workers=2)


def test_it_blocks_with_c_frames_in_between():
    def key(ch, n):
        ch.receive()
        return -n

    def sorts(ch):
        return sorted(range(20), key=lambda n: key(ch, n))

    def maps(ch):
        return list(map(lambda n: key(ch, n), range(20)))

    class late:
        def __init__(self, ch):
            self.ch = ch

        def __eq__(self, other):
            return self.ch.receive() is None

        def __hash__(self):
            return 1

    def compares(ch):
        return {late(ch): 1}[late(ch)]

    async def main():
        ch = martlet.channel()
        handles = [martlet.spawn(sorts, ch), martlet.spawn(maps, ch), martlet.spawn(compares, ch)]
        for _ in range(41):
            await ch.asend(None)
        assert await handles[0] == list(reversed(range(20)))
        assert await handles[1] == [-n for n in range(20)]
        assert await handles[2] == 1

    martlet.run(main)


def test_a_list_that_is_being_sorted_by_a_parked_tasklet_stays_usable(workers):
    # list.sort holds the list's own lock on a free-threaded interpreter; a parked tasklet must not.
    shared = [3, 1, 2]

    def sorts(ch, here):
        def key(n):
            here.send(None)
            ch.receive()
            return n

        with contextlib.suppress(ValueError):  # it was changed meanwhile
            shared.sort(key=key)

    def touches():
        shared.append(4)
        return len(shared)

    async def main():
        ch, here = martlet.channel(), martlet.channel()
        sorting = martlet.spawn(sorts, ch, here)
        await here.areceive()
        assert await martlet.spawn(touches).ajoin(timeout=60) >= 1
        for _ in range(2):
            await ch.asend(None)
            await here.areceive()
        await ch.asend(None)
        await sorting

    martlet.run(main, workers=workers)


def test_the_exception_that_is_being_handled_is_its_own(workers):
    def handles(n):
        for turn in range(50):
            try:
                raise ValueError((n, turn))
            except ValueError as error:
                martlet.yield_()
                assert sys.exc_info()[1] is error
                try:
                    raise KeyError(n)
                except KeyError as inner:
                    martlet.sleep(0)
                    martlet.yield_()
                    assert inner.__context__ is error
            assert sys.exc_info()[1] is None

    async def main():
        async with martlet.scope() as all:
            for n in range(10):
                all.spawn(handles, n)
        assert sys.exc_info()[1] is None

    martlet.run(main, workers=workers)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="there None is not counted")
def test_an_error_that_was_handled_leaves_nothing():
    def handles():
        with contextlib.suppress(KeyError):
            raise KeyError

    def main():
        before = sys.getrefcount(None)
        for _ in range(1000):
            martlet.spawn(handles).join()
        return sys.getrefcount(None) - before

    assert martlet.run(main, workers=1) < 100


def test_nested_generators_park_in_the_middle():
    def leaves(ch, depth):
        if depth == 0:
            yield ch.receive()
        else:
            yield from leaves(ch, depth - 1)
            yield from leaves(ch, depth - 1)

    def walk(ch):
        return [value for value in leaves(ch, 4)]

    async def main():
        channels = [martlet.channel() for _ in range(5)]
        walks = [martlet.spawn(walk, ch) for ch in channels]
        for n in range(16):
            for ch in channels:
                await ch.asend(n)
        for one in walks:
            assert await one == list(range(16))

    martlet.run(main)


def test_recursion_goes_as_deep_as_on_a_thread_and_stops_with_recursion_error(workers):
    def descend(n, bottom):
        if n == 0:
            bottom()
            return 0
        return 1 + descend(n - 1, bottom)

    def endless():
        return endless()

    def main():
        assert descend(800, martlet.yield_) == 800
        with pytest.raises(RecursionError):
            endless()
        assert martlet.spawn(descend, 800, lambda: martlet.sleep(0.001)).join() == 800
        with pytest.raises(RecursionError):
            martlet.spawn(endless).join()
        assert descend(800, martlet.yield_) == 800

    martlet.run(main, workers=workers)


def test_recursion_through_c_stops_with_recursion_error():
    def through_map(n):
        return n and list(map(through_map, [n - 1]))

    def through_sort(n):
        return n and sorted([n - 1], key=through_sort)

    class compares:
        def __init__(self, n):
            self.n = n

        def __eq__(self, other):
            return self.n == 0 or [compares(self.n - 1)] == [compares(self.n - 1)]

    def main(deep):
        for function in (through_map, through_sort, lambda n: compares(n) == compares(n)):
            function(100)
            martlet.yield_()
            with pytest.raises(RecursionError):
                function(deep)
        nested = []
        for _ in range(100_000):
            nested = [nested]
        with pytest.raises(RecursionError):
            repr(nested)
        while nested:
            nested = nested.pop()

    martlet.run(main, 1_000_000)


def test_the_collector_runs_while_functions_are_parked(workers):
    class node:
        def __init__(self):
            self.me = self

    def parks(ch, n):
        inner = node()
        inner.function = lambda x: x + n  # only this parked frame leads to it
        generator = (z for z in range(3))
        next(generator)
        for _ in range(10):
            ch.receive()
        assert next(generator) == 1
        assert inner.me is inner and inner.function(1) == n + 1
        return n

    def collects(until):
        while not until.closed:
            gc.collect()
            time.sleep(0.001)  # without a gap the workers of a busy machine hardly get to run between two collections

    async def main():
        over, ch = martlet.channel(), martlet.channel()
        collector = threading.Thread(target=collects, args=(over,))
        collector.start()
        parked = [martlet.spawn(parks, ch, n) for n in range(50)]
        for _ in range(500):
            await ch.asend(None)
        for n, one in enumerate(parked):
            assert await one == n
        over.close()
        collector.join()

    martlet.run(main, workers=workers)


def test_ten_thousand_are_parked_at_once():
    count = 10_000

    def parks(ch):
        return ch.receive()

    async def main():
        ch = martlet.channel()
        parked = [martlet.spawn(parks, ch) for _ in range(count)]
        while ch.balance != -count:
            await martlet.ayield()
        for n in range(count):
            await ch.asend(n)
        total = 0
        for one in parked:
            total += await one
        assert total == count * (count - 1) // 2

    martlet.run(main)


def test_one_that_returns_a_coroutine_is_told():
    async def coroutine():
        pass

    async def main():
        with pytest.raises(martlet.Misuse, match="returned a coroutine, which nobody awaits"):
            await martlet.spawn(lambda: coroutine())

    martlet.run(main)


def test_a_trace_function_sees_the_calls_of_its_thread():
    called = []

    def tracer(frame, event, argument):
        if event == "call":
            called.append(frame.f_code.co_name)
        return None

    def traced_child():
        martlet.yield_()

    def main():
        sys.settrace(tracer)
        try:
            child = martlet.spawn(traced_child)
            for _ in range(5):
                martlet.yield_()
            after_the_switch()
        finally:
            sys.settrace(None)
        child.join()

    def after_the_switch():
        pass

    martlet.run(main, workers=1)
    assert "after_the_switch" in called
