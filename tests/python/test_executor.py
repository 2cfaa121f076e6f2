"""Executor: concurrent.futures over tasklets."""

import asyncio
import concurrent.futures
import gc
import subprocess
import sys
import threading
import time
import weakref

import martlet
import pytest


def square(n):
    martlet.yield_()
    return n * n


async def asquare(n):
    await martlet.ayield()
    return n * n


def fail():
    raise LookupError("lost")


def test_outside_of_a_run_it_has_one_of_its_own():
    with martlet.Executor() as executor:
        assert isinstance(executor, concurrent.futures.Executor)
        assert executor.submit(square, 3).result(60) == 9
        assert executor.submit(asquare, 3).result(60) == 9
        assert executor.submit(divmod, 7, 2).result(60) == (3, 1)
        assert list(executor.map(square, range(100))) == [n * n for n in range(100)]
        assert executor.submit(threading.get_ident).result(60) != threading.get_ident()
        with pytest.raises(LookupError, match="lost"):
            executor.submit(fail).result(60)
    with pytest.raises(RuntimeError, match="was shut down"):
        executor.submit(square, 1)


def test_inside_of_a_run_it_uses_that():
    async def main():
        async with martlet.Executor() as executor:
            assert await executor.submit(square, 3) == 9
            assert await executor.submit(asquare, 3) == 9
            with pytest.raises(LookupError, match="lost"):
                await executor.submit(fail)
            return await executor.submit(main_blocking)

    def main_blocking():
        with martlet.Executor() as executor:
            assert [*executor.map(square, range(10)), *executor.map(asquare, range(10))] == [n * n for n in range(10)] * 2
            return executor.submit(threading.get_ident).result()

    assert martlet.run(main, workers=1) == threading.get_ident()


def test_so_many_at_a_time(workers):
    running, most = [0], [0]

    def call():
        running[0] += 1
        most[0] = max(most[0], running[0])
        martlet.sleep(0.001)
        running[0] -= 1

    async def acall():
        running[0] += 1
        most[0] = max(most[0], running[0])
        await martlet.asleep(0.001)
        running[0] -= 1

    async def main():
        async with martlet.Executor(max_workers=3) as executor:
            for future in [executor.submit(what) for what in (call, acall) * 10]:
                await future

    martlet.run(main, workers=1)
    assert most == [3]


def test_what_has_not_begun_can_be_given_up():
    go_on = martlet.Event()
    executor = martlet.Executor(max_workers=1)
    first = executor.submit(go_on.wait)
    second = executor.submit(square, 2)
    third = executor.submit(square, 3)
    while not first.running():
        time.sleep(0.001)
    assert second.cancel() and not first.cancel()
    executor.shutdown(wait=False, cancel_futures=True)
    go_on.set()
    assert first.result(60) is True
    executor.shutdown()
    assert second.cancelled() and third.cancelled()


def test_a_map_that_nobody_reads_on_is_given_up():
    with martlet.Executor(max_workers=1) as executor:
        started = []
        results = executor.map(lambda n: started.append(n) or martlet.sleep(0.001), range(1000))
        next(results)
        results.close()
    assert len(started) < 1000


def test_limits_of_time():
    with martlet.Executor() as executor:
        stop = martlet.Event()
        with pytest.raises(TimeoutError):
            executor.submit(stop.wait).result(timeout=0.01)
        with pytest.raises(TimeoutError):
            list(executor.map(lambda _: stop.wait(), range(2), timeout=0.01))
        stop.set()


def test_with_the_functions_of_concurrent_futures():
    with martlet.Executor() as executor:
        futures = [executor.submit(square, n) for n in range(20)]
        done, rest = concurrent.futures.wait(futures, timeout=60)
        assert not rest and sorted(one.result() for one in done) == [n * n for n in range(20)]
        assert sorted(one.result() for one in concurrent.futures.as_completed(futures, timeout=60)) == [n * n for n in range(20)]


def test_nothing_is_kept():
    class Thing:
        pass

    with martlet.Executor() as executor:
        thing = Thing()
        gone = weakref.ref(thing)
        executor.submit(id, thing).result(60)
        executor.submit(fail).exception(60)
        del thing
        deadline = time.monotonic() + 60
        while gone() is not None and time.monotonic() < deadline:
            time.sleep(0.001)
        assert gone() is None


def test_a_dropped_one_ends_its_run():
    executor = martlet.Executor()
    thread = executor._thread
    executor.submit(square, 3).result(60)
    del executor
    gc.collect()
    thread.join(60)
    assert not thread.is_alive()


def test_what_was_submitted_is_carried_out_before_the_process_ends():
    program = """
import martlet, sys
executor = martlet.Executor()
for n in range(3):
    executor.submit(lambda n: martlet.sleep(0.01) or sys.stdout.write(f"{n}\\n"), n)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert sorted(done.stdout.split()) == ["0", "1", "2"] and done.stderr == ""


def test_wrong_use_has_a_sentence():
    with pytest.raises(ValueError, match="1 or more; found 0"):
        martlet.Executor(0)

    async def main():
        with pytest.raises(martlet.Misuse, match="async with"):
            with martlet.Executor():
                pass
        executor = martlet.Executor()
        with pytest.raises(martlet.Misuse, match="await"):
            executor.submit(asquare, 2).result()
        await executor.ashutdown()

    martlet.run(main)


def test_beside_a_running_loop_of_asyncios():
    async def main():
        async with martlet.Executor() as executor:
            return await asyncio.wrap_future(executor.submit(square, 3))

    assert asyncio.run(main()) == 9
    executor = martlet.Executor()

    async def leaves():
        async with executor:
            pass

    asyncio.run(leaves())
    assert not executor._thread.is_alive()


def test_one_that_outlives_its_run():
    async def main():
        return martlet.Executor(max_workers=1)

    executor = martlet.run(main)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="the run has ended"):
            executor.submit(square, 2)
    executor.shutdown()
    del executor
    gc.collect()


def test_a_callback_that_fails_does_not_hold_it_up(unraised, caplog):
    def interrupt(_):
        raise SystemError

    with martlet.Executor(max_workers=1) as executor:
        first = executor.submit(square, 2)
        first.add_done_callback(interrupt)
        assert executor.submit(square, 3).result(60) == 9
    caplog.clear()  # the error that was logged keeps what it came from


def test_arguments_may_come_from_its_own_calls():
    with martlet.Executor() as executor:
        powers = (executor.submit(pow, -2, n).result(60) for n in range(3))
        assert list(executor.map(abs, powers)) == [1, 2, 4]


def test_an_environment_that_is_wrong_is_told(monkeypatch):
    monkeypatch.setenv("MARTLET_WORKERS", "many")
    with pytest.raises(ValueError, match="MARTLET_WORKERS"):
        martlet.Executor()
