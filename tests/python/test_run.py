"""martlet.run: what goes in, what comes out, and what happens to the tasklets that are left."""

import contextvars
import functools
import gc
import os
import threading
import time
import traceback
import weakref

import martlet
import pytest


async def add(a, b):
    await martlet.ayield()
    return a + b


def add_blocking(a, b):
    martlet.yield_()
    return a + b


def test_a_coroutine_a_coroutine_function_and_a_function_are_run():
    assert martlet.run(add(1, 2)) == 3
    assert martlet.run(add, 3, 4) == 7
    assert martlet.run(add_blocking, 5, 6) == 11


def test_a_method_and_a_partial_of_a_coroutine_function_are_coroutines():
    import functools

    class adder:
        async def add(self, a, b):
            return await add(a, b)

    assert martlet.run(adder().add, 1, 2) == 3
    assert martlet.run(functools.partial(add, 1), 3) == 4


@pytest.mark.parametrize("main", [add, add_blocking])
def test_it_works_with_any_number_of_workers(main, workers):
    assert martlet.run(main, 1, 1, workers=workers) == 2


def test_it_can_be_called_again_and_again():
    for n in range(50):
        assert martlet.run(add, n, 1, workers=2) == n + 1


def test_exceptions_arrive_with_their_traceback():
    async def inner():
        await martlet.ayield()
        raise KeyError("lost")

    async def outer():
        await inner()

    with pytest.raises(KeyError) as caught:
        martlet.run(outer)
    text = "".join(traceback.format_exception(caught.value))
    assert "in outer" in text and "in inner" in text and 'raise KeyError("lost")' in text


def test_system_exit_of_any_tasklet_ends_the_run():
    async def leave():
        raise SystemExit(7)

    async def main():
        martlet.spawn(leave)
        await martlet.asleep(60)

    with pytest.raises(SystemExit) as caught:
        martlet.run(main)
    assert caught.value.code == 7


def test_another_exception_that_is_no_exception_is_an_error_like_any(unraised):
    class odd(BaseException):
        pass

    async def fails():
        raise odd

    async def main():
        with pytest.raises(odd):
            await martlet.spawn(fails)
        with pytest.raises(BaseExceptionGroup) as caught:
            async with martlet.scope() as inside:
                inside.spawn(fails)
        assert isinstance(caught.value.exceptions[0], odd)
        martlet.spawn(fails)
        await martlet.asleep(0.01)
        return "went on"

    assert martlet.run(main) == "went on"
    gc.collect()
    assert [type(error) for error, _ in unraised] == [odd]


def test_what_is_left_when_main_ends_is_cancelled_and_waited_for(workers):
    ended = []

    async def waits(ch):
        try:
            await ch.areceive()
        except martlet.Cancelled:
            await_is_refused = False
            try:
                await martlet.asleep(60)
            except martlet.Cancelled:
                await_is_refused = True
            ended.append(await_is_refused)
            raise

    def blocks(ch):
        try:
            ch.receive()
        finally:
            ended.append("function")

    async def main():
        ch = martlet.channel()
        martlet.spawn(waits, ch)
        martlet.spawn(blocks, ch)
        while ch.balance > -2:
            await martlet.asleep(0.001)

    martlet.run(main, workers=workers)
    assert sorted(ended, key=str) == [True, "function"]


def test_context_variables_are_copied_at_the_spawn_and_follow(workers):
    variable = contextvars.ContextVar("variable", default="none")

    async def child(expected):
        for _ in range(20):
            assert variable.get() == expected
            await martlet.ayield()
        variable.set("mine alone")
        await martlet.asleep(0.001)
        return variable.get()

    def child_function(expected):
        for _ in range(20):
            assert variable.get() == expected
            martlet.yield_()
        variable.set("mine alone")
        martlet.sleep(0.001)
        return variable.get()

    async def main():
        children = []
        for n in range(20):
            variable.set(n)
            children.append(martlet.spawn(child, n))
            children.append(martlet.spawn(child_function, n))
        for one in children:
            assert await one == "mine alone"
        assert variable.get() == 19

    token = variable.set("outside")
    martlet.run(main, workers=workers)
    assert variable.get() == "outside"
    variable.reset(token)


@pytest.mark.parametrize("workers", [1, 2])
def test_tasklets_without_context_variables_share_none(workers):
    variable = contextvars.ContextVar("variable", default="none")

    async def child(n):
        for turn in range(20):
            if turn == n:
                variable.set(n)
                grandchild = martlet.spawn(variable.get)
            await martlet.ayield()
            assert variable.get() == ("none" if turn < n else n)
        if n < 20:
            assert await grandchild == n

    def child_function(n):
        for turn in range(20):
            if turn == n:
                variable.set(n)
                grandchild = martlet.spawn(variable.get)
            martlet.yield_()
            assert variable.get() == ("none" if turn < n else n)
        if n < 20:
            assert grandchild.join() == n

    async def resets():
        for n in range(20):
            token = variable.set(n)
            assert len(contextvars.copy_context()) == 1
            variable.reset(token)
            await martlet.ayield()
            assert len(contextvars.copy_context()) == 0

    async def main():
        async with martlet.scope() as inside:
            for n in range(25):
                inside.spawn(child, n)
                inside.spawn(child_function, n)
                inside.spawn(resets)
        return len(contextvars.copy_context())

    assert contextvars.Context().run(martlet.run, main, workers=workers) == 0


def test_threads_spawn_into_the_run_that_is_under_way():
    async def main():
        results = martlet.channel()

        def thread():
            results.send(martlet.spawn(add, 20, 22).join())

        other = threading.Thread(target=thread)
        other.start()
        answer = await results.areceive()
        other.join()
        return answer

    assert martlet.run(main, workers=2) == 42


def test_runs_in_several_threads_at_once():
    results = []

    def one(n):
        results.append(martlet.run(add, n, n, workers=2))

    threads = [threading.Thread(target=one, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [2 * n for n in range(8)]


def test_thread_locals_belong_to_the_thread():
    local = threading.local()
    local.value = "of the main thread"

    def main():
        assert local.value == "of the main thread"  # the only worker is the thread that called run
        local.value = "changed"
        martlet.yield_()
        assert local.value == "changed"

    martlet.run(main, workers=1)
    assert local.value == "changed"


def test_nothing_of_a_run_stays_in_memory():
    class thing:
        pass

    things = []

    async def child(value, ch):
        await ch.asend(value)

    async def main():
        ch = martlet.channel(3)
        for _ in range(10):
            value = thing()
            things.append(weakref.ref(value))
            martlet.spawn(child, value, ch)
        for _ in range(5):
            await ch.areceive()
        left = thing()
        things.append(weakref.ref(left))
        ch.try_send(left)
        return thing()

    result = martlet.run(main, workers=2)
    things.append(weakref.ref(result))
    del result
    gc.collect()
    assert [one() for one in things] == [None] * len(things)


def test_an_async_generator_is_no_tasklet():
    async def numbers():
        yield 1

    class Source:
        async def numbers(self):
            yield 1

    for what in (numbers, numbers(), Source().numbers, functools.partial(numbers)):
        with pytest.raises(TypeError, match="async generator"):
            martlet.run(what)


def test_workers_is_a_count():
    with pytest.raises(ValueError, match="from 1 to 4096; found 0"):
        martlet.run(add, 1, 2, workers=0)
    with pytest.raises(TypeError):
        martlet.run(add, 1, 2, workers="two")
    with pytest.raises(TypeError, match="no argument 'worker'"):
        martlet.run(add, 1, 2, worker=2)
    with pytest.raises(TypeError, match="needs a coroutine or a function"):
        martlet.run()
    with pytest.raises(TypeError, match="found int"):
        martlet.run(3)


def test_the_environment_changes_the_default_of_workers(monkeypatch):
    def threads():
        return set(os.listdir("/proc/self/task"))

    def has_workers(wanted, **given):
        before = threads()  # with those that are just going

        def wait_for_them():
            give_up = time.monotonic() + 10
            while True:
                found = len(threads() - before)  # all workers but this thread, and in the end the one that waits for Ctrl-C
                if found == wanted or time.monotonic() > give_up:
                    return found
                time.sleep(0.001)

        return martlet.run(wait_for_them, **given) == wanted

    monkeypatch.setenv("MARTLET_WATCH", "off")  # whose thread is no worker
    monkeypatch.setenv("MARTLET_WORKERS", "4")
    assert has_workers(4)
    assert has_workers(2, workers=2)
    monkeypatch.setenv("MARTLET_WORKERS", "1")
    assert has_workers(1)
    for wrong in ("abc", "-3", "0", "99999999"):
        monkeypatch.setenv("MARTLET_WORKERS", wrong)
        with pytest.raises(ValueError, match=f'from 1 to 4096; found "{wrong}"'):
            martlet.run(threads)
        assert has_workers(1, workers=1)

