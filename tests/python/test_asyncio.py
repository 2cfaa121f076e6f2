"""Beside asyncio: its coroutines await martlet's things, tasklets await its futures, and its loop runs tasklets."""

import asyncio
import select
import subprocess
import sys
import threading
import warnings

import martlet
import pytest
from conftest import in_both_kinds, needs_parallel


async def square(n):
    await martlet.ayield()
    return n * n


def square_blocking(n):
    martlet.yield_()
    return n * n


async def fail():
    await martlet.asleep(0)
    raise LookupError("lost")


async def receive(from_channel):
    return await from_channel.areceive()


def in_asyncio(main, **options):
    async def with_guest():
        async with martlet.guest(**options):
            return await main()

    return asyncio.run(with_guest())


# ---- from asyncio


@in_both_kinds(square, square_blocking)
def test_a_coroutine_of_asyncio_awaits_handles_and_operations(program):
    async def main():
        assert await martlet.spawn(program, 3) == 9
        numbers = martlet.channel()

        async def produce():
            for n in range(5):
                await numbers.asend(n)
            numbers.close()

        martlet.spawn(produce)
        assert [n async for n in numbers] == list(range(5))
        assert (await martlet.aselect(martlet.asleep(0.001), martlet.channel())).case == 0
        async with martlet.Lock() as held:
            assert held
        return await asyncio.gather(*(martlet.spawn(program, n).ajoin() for n in range(4)))

    assert in_asyncio(main) == [0, 1, 4, 9]


def test_errors_arrive_as_they_are():
    async def main():
        with pytest.raises(LookupError, match="lost") as caught:
            await martlet.spawn(fail)
        assert caught.traceback[-1].name == "fail"
        closed = martlet.channel()
        closed.close()
        with pytest.raises(martlet.ChannelClosed):
            await closed.areceive()

    in_asyncio(main)


def test_asyncios_limits_and_cancels_reach_the_operation_and_not_the_handle():
    async def main():
        empty = martlet.channel()
        with pytest.raises(TimeoutError):
            await limited(empty.areceive())
        while empty.balance:
            await asyncio.sleep(0.001)
        child = martlet.spawn(receive, empty)
        with pytest.raises(TimeoutError):
            await limited(child)
        assert not child.done()
        empty.close()
        with pytest.raises(martlet.ChannelClosed):
            await child

    async def limited(what):
        async with asyncio.timeout(0.01):
            return await what

    in_asyncio(main)


def test_the_run_may_be_on_another_thread():
    opened, stop = threading.Event(), martlet.Event()

    async def run():
        opened.set()
        await stop.await_()

    async def main():
        await asyncio.to_thread(opened.wait)
        assert await martlet.spawn(square, 3) == 9
        assert await martlet.spawn(square_blocking, 4) == 16
        await martlet.asleep(0.001)
        stop.set()

    thread = threading.Thread(target=martlet.run, args=(run,))
    thread.start()
    asyncio.run(main())
    thread.join()


def test_without_a_run_there_is_nothing_to_wait_with():
    async def main():
        with pytest.raises(martlet.Misuse, match="nothing runs tasklets"):
            await martlet.channel().areceive()

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        asyncio.run(main())
    assert not told


def test_what_a_cancelled_task_was_given_is_not_lost():
    async def main(guest):
        lock, items = martlet.Lock(), martlet.channel(1)
        for _ in range(100):
            await lock.aacquire()

            async def hold():
                async with lock:
                    pass

            async def take():
                await items.areceive()

            for what, give in ((hold, lock.release), (take, lambda: items.try_send("item"))):
                task = asyncio.create_task(what())
                await asyncio.sleep(0)
                while not martlet.tasklets() or martlet.tasklets()[0].state != "blocked":
                    await asyncio.sleep(0)
                give()
                while martlet.tasklets():
                    await asyncio.sleep(0) if task.done() else guest.poll()
                task.cancel()  # its result is on the way
                await asyncio.wait([task])
            assert not lock.locked()
            assert items.try_receive() in ("item", None)
            assert items.balance == 0

    async def with_guest():
        async with martlet.guest(workers=1) as guest:
            await main(guest)

    asyncio.run(with_guest())


def test_an_rlock_is_a_tasklets():
    async def main():
        for lock in (martlet.RLock(), martlet.Condition()):
            with pytest.raises(martlet.Misuse, match="belongs to a tasklet"):
                async with lock:
                    pass
        changed = martlet.Condition(martlet.Lock())
        async with changed:
            assert await changed.await_(timeout=0.001) is False

    in_asyncio(main)


def test_stop_iteration_arrives_as_something_else():
    def stop():
        raise StopIteration

    async def main():
        with pytest.raises(RuntimeError):
            await martlet.spawn(stop)

    in_asyncio(main)


def test_a_guest_is_left_when_its_tasklets_have_ended_although_the_task_is_cancelled():
    ended = []

    def slow_to_stop():
        try:
            martlet.channel().receive()
        finally:
            with martlet.shield():
                martlet.sleep(0.05)
                ended.append(True)

    async def main():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                async with martlet.guest(workers=1):
                    martlet.spawn(slow_to_stop)
                    await asyncio.sleep(0.01)
        assert ended == [True] and martlet.tasklets() == []

    asyncio.run(main())


def test_a_guests_thread_spawns_in_the_guest():
    stop, opened = martlet.Event(), threading.Event()

    async def other_run():
        opened.set()
        await stop.await_()

    async def main():
        thread = threading.Thread(target=martlet.run, args=(other_run,))
        thread.start()
        await asyncio.to_thread(opened.wait)
        assert await martlet.spawn(lambda: threading.get_ident()) == threading.get_ident()
        told = []
        child = martlet.spawn(square, 2)
        child.add_done_callback(lambda _: told.append(martlet.spawn(threading.get_ident)))
        await child
        assert await told[0] == threading.get_ident()
        stop.set()
        await asyncio.to_thread(thread.join)

    in_asyncio(main, workers=1)


def test_a_guest_that_was_never_closed():
    program = """
import martlet
guest = martlet.guest(workers=2)
martlet.spawn(lambda: None)
guest.poll()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


# ---- from tasklets


def test_a_tasklet_on_the_loops_thread_uses_asyncio():
    async def later(value):
        await asyncio.sleep(0.001)
        return value

    async def tasklet():
        loop = asyncio.get_running_loop()
        assert await loop.create_task(later(1)) == 1
        future = loop.create_future()
        loop.call_later(0.001, future.set_result, 2)
        assert await future == 2
        assert await future == 2  # which is done
        with pytest.raises(ZeroDivisionError):
            await loop.create_task(divide())
        return await asyncio.gather(later(3), later(4))

    async def divide():
        return 1 / 0

    async def main():
        return await martlet.spawn(tasklet)

    assert in_asyncio(main, workers=1) == [3, 4]


def test_a_cancelled_tasklet_cancels_the_future_that_it_awaits():
    async def tasklet(future):
        await future

    async def main():
        future = asyncio.get_running_loop().create_future()
        child = martlet.spawn(tasklet, future)
        await asyncio.sleep(0.001)
        child.cancel()
        with pytest.raises(martlet.Cancelled):
            await child
        assert future.cancelled()

    in_asyncio(main, workers=1)


def test_a_future_of_another_threads_loop():
    async def main():
        future = asyncio.get_running_loop().create_future()

        async def wait():
            return await future

        def run():
            return martlet.run(wait)

        running = asyncio.get_running_loop().run_in_executor(None, run)
        await asyncio.sleep(0.01)
        future.set_result(7)
        return await running

    assert asyncio.run(main()) == 7


# ---- the guest


def test_the_loop_and_the_tasklets_take_turns():
    async def main():
        log = []

        async def tasklet():
            for _ in range(3):
                log.append("tasklet")
                await martlet.asleep(0.002)

        child = martlet.spawn(tasklet)
        while not child.done():
            log.append("asyncio")
            await asyncio.sleep(0.002)
        return log

    log = in_asyncio(main, workers=1)
    assert log.count("tasklet") == 3 and log.count("asyncio") >= 2


def test_what_is_left_is_cancelled_and_waited_for():
    ended = []

    async def for_ever():
        try:
            await martlet.channel().areceive()
        finally:
            ended.append("coroutine")

    def for_ever_blocking():
        try:
            martlet.channel().receive()
        finally:
            ended.append("function")

    async def main():
        martlet.spawn(for_ever)
        martlet.spawn(for_ever_blocking)
        await asyncio.sleep(0.001)

    in_asyncio(main)
    assert sorted(ended) == ["coroutine", "function"]


def test_many_from_both_sides(workers):
    async def main():
        numbers, squares = martlet.channel(), martlet.channel()

        async def serve():
            async for n in numbers:
                await squares.asend(n * n)

        def serve_blocking():
            for n in numbers:
                squares.send(n * n)

        for what in (serve, serve_blocking, serve, serve_blocking):
            martlet.spawn(what)

        async def ask():
            for n in range(200):
                await numbers.asend(n)

        asking = asyncio.create_task(ask())
        got = [await squares.areceive() for _ in range(200)]
        await asking
        numbers.close()
        return sum(got)

    assert in_asyncio(main, workers=workers) == sum(n * n for n in range(200))


def test_any_loop_can_drive_it():
    guest = martlet.guest(workers=1)
    child = martlet.spawn(square_blocking, 5)
    while not child.done():
        assert select.select([guest], [], [], 60)[0] == [guest]
        guest.poll()
    assert child.result() == 25
    guest.close()
    guest.close()
    with pytest.raises(martlet.Misuse, match="has been closed"):
        guest.poll()
    with pytest.raises(martlet.Misuse, match="nothing runs tasklets"):
        martlet.spawn(square, 1)


def test_wrong_use_has_a_sentence():
    guest = martlet.guest(workers=1)
    child = martlet.spawn(receive, martlet.channel())
    with pytest.raises(martlet.Misuse, match="tasklets are under way"):
        guest.close()
    with pytest.raises(martlet.Misuse):
        in_a_thread(guest.poll)
    guest.cancel()
    while guest.tasklets():
        guest.poll()
    assert child.done()
    guest.close()
    with pytest.raises(TypeError):
        martlet.guest(2)

    async def inside():
        with pytest.raises(martlet.Misuse, match="runs tasklets already"):
            martlet.guest()

    martlet.run(inside)


def in_a_thread(function):
    raised = []

    def call():
        try:
            function()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    if raised:
        raise raised[0]


def test_ctrl_c_in_a_tasklet_ends_the_loop():
    async def interrupted():
        raise KeyboardInterrupt

    async def main():
        martlet.spawn(interrupted)
        await asyncio.sleep(60)

    with pytest.raises(KeyboardInterrupt):
        in_asyncio(main, workers=1)


@needs_parallel
def test_workers_beside_the_loop_run_tasklets_too():
    async def main():
        seen = set()

        async def note():
            for _ in range(100):
                seen.add(threading.get_ident())
                await martlet.ayield()

        for one in [martlet.spawn(note) for _ in range(50)]:
            await one
        return len(seen)

    assert in_asyncio(main, workers=2) == 2
