"""Queue, LifoQueue, PriorityQueue: what CPython's own tests (test_standard) do not ask."""

import queue

import martlet
import pytest


def test_a_queue_between_all_kinds(workers):
    async def main():
        items, got = martlet.Queue(3), []

        async def produce(first):
            for n in range(first, first + 50):
                await items.aput(n)

        def produce_blocking(first):
            for n in range(first, first + 50):
                items.put(n)

        async def consume():
            for _ in range(50):
                got.append(await items.aget())
                items.task_done()

        def consume_blocking():
            for _ in range(50):
                got.append(items.get())
                items.task_done()

        async with martlet.scope() as inside:
            inside.spawn(produce, 0)
            inside.spawn(produce_blocking, 50)
            inside.spawn(martlet.blocking, produce_blocking, 100)
            inside.spawn(consume)
            inside.spawn(consume_blocking)
            inside.spawn(martlet.blocking, consume_blocking)
        await items.ajoin()
        assert sorted(got) == list(range(150))
        assert items.empty() and items.unfinished_tasks == 0

    martlet.run(main, workers=workers)


def test_orders():
    async def main():
        for kind, expected in ((martlet.Queue, [2, 3, 1]), (martlet.LifoQueue, [1, 3, 2]), (martlet.PriorityQueue, [1, 2, 3])):
            items = kind()
            for n in (2, 3, 1):
                await items.aput(n)
            assert [await items.aget() for _ in range(3)] == expected

    martlet.run(main)


def test_what_may_not_wait_is_allowed_in_a_coroutine():
    async def main():
        items = martlet.Queue(1)
        items.put_nowait(1)
        with pytest.raises(queue.Full):
            items.put_nowait(2)
        with pytest.raises(queue.Full):
            await items.aput(2, timeout=0.001)
        assert items.get_nowait() == 1
        with pytest.raises(queue.Empty):
            items.get_nowait()
        with pytest.raises(queue.Empty):
            await items.aget(timeout=0.001)
        with pytest.raises(martlet.Misuse, match="await event.await_"):
            items.get()

    martlet.run(main)


def test_one_that_gives_up_leaves_its_turn_to_the_next():
    async def main():
        items = martlet.Queue()
        first, second = martlet.spawn(items.aget()), martlet.spawn(items.aget())
        await martlet.ayield()
        await items.aput("it")
        first.cancel()  # who has been told already
        with pytest.raises(martlet.Cancelled):
            await first
        assert await second.ajoin(timeout=60) == "it"

    martlet.run(main, workers=1)


def test_a_shut_queue():
    async def main():
        items = martlet.Queue(1)
        waiting = martlet.spawn(items.aget())
        await martlet.ayield()
        items.shutdown()
        with pytest.raises(martlet.ShutDown):
            await waiting
        with pytest.raises(martlet.ShutDown):
            await items.aput(1)
        full = martlet.Queue(1)
        await full.aput(1)
        full.shutdown()
        assert await full.aget() == 1
        with pytest.raises(martlet.ShutDown):
            await full.aget()
        thrown = martlet.Queue()
        await thrown.aput(1)
        joining = martlet.spawn(thrown.ajoin())
        thrown.shutdown(immediate=True)
        await joining
        with pytest.raises(martlet.ShutDown):
            thrown.get_nowait()

    martlet.run(main)


def test_time_limits_go_by_the_simulations_clock(hashes_are_fixed):
    async def main():
        items = martlet.Queue()
        began = martlet.now()
        with pytest.raises(queue.Empty):
            await items.aget(timeout=3600)
        assert 3600 <= martlet.now() - began < 3601

    martlet.simulate(main)


def test_no_item_is_lost_in_any_order(hashes_are_fixed):
    async def main():
        items = martlet.Queue(1)

        async def consume():
            return await items.aget()

        async with martlet.scope() as inside:
            got = [inside.spawn(consume) for _ in range(3)]
            for n in range(3):
                inside.spawn(items.aput(n))
        assert sorted([await one for one in got]) == [0, 1, 2]

    martlet.explore(main, schedules=300)
