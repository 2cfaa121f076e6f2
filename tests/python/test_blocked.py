"""A tasklet that blocks the thread of its worker in C while others wait for it is told of, once for each line."""

import asyncio
import ctypes
import os
import re
import socket
import subprocess
import sys
import textwrap
import threading
import warnings

import martlet
import pytest
from conftest import in_both_kinds
from martlet import _blocked
from martlet._martlet import readiness


class Heard:
    """The warnings, and a thread's lock that is free when there is one: who acquires it blocks until something was said."""

    def __init__(self):
        self.said = []
        self.lock = threading.Lock()
        self.lock.acquire()

    def hear(self, message, category, filename, line, *_):
        self.said.append((str(message), category, filename, line))
        self.lock.release()


@pytest.fixture
def heard(monkeypatch):
    one = Heard()
    monkeypatch.setattr(_blocked, "_told", set())
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        monkeypatch.setattr(warnings, "showwarning", one.hear)
        yield one


def block(lock, seconds=60):
    return lock.acquire(timeout=seconds)


blocking_line = block.__code__.co_firstlineno + 1
shortly = 0.4  # longer than it takes to be told


async def other():
    pass


async def block_in_coroutine(heard):
    martlet.spawn(other)
    block(heard.lock)


def block_in_function(heard):
    martlet.spawn(other)
    block(heard.lock)


@in_both_kinds(block_in_coroutine, block_in_function)
def test_the_warning_says_who_blocks_and_where_and_what_to_write(heard, program):
    async def main():
        await martlet.spawn(program, heard, name="crawler")

    martlet.run(main, workers=1)
    [(text, category, filename, line)] = heard.said
    assert (category, filename, line) == (RuntimeWarning, __file__, blocking_line)
    assert re.match(rf"tasklet 'crawler', spawned at {__file__}:\d+, has blocked the thread of its worker here", text), text
    assert f", called at {__file__}:{program.__code__.co_firstlineno + 2}" in text
    assert "martlet.blocking(function, ...)" in text and "await martlet.ablocking(function, ...)" in text


def test_as_many_block_as_there_are_workers(heard):
    begun = threading.Event()

    def block_too():
        begun.set()
        block(heard.lock)
        heard.lock.release()

    async def main():
        martlet.spawn(block_too)
        while not begun.is_set():
            await martlet.ayield()
        martlet.spawn(other)
        block(heard.lock)
        heard.lock.release()

    martlet.run(main, workers=2)
    assert [line for *_, line in heard.said] == [blocking_line]


def test_who_has_slept_long_enough_waits(heard):
    async def main():
        sleeping = martlet.spawn(martlet.sleep, 0.001)
        while sleeping.state != "blocked":
            await martlet.ayield()
        return block(heard.lock)

    assert martlet.run(main, workers=1)


def test_whose_data_has_come_waits(heard):
    here, there = socket.socketpair()

    async def receive():
        ready = readiness(here.fileno())
        await ready.await_(False)
        ready.close()

    async def main():
        receiving = martlet.spawn(receive)
        while receiving.state != "blocked":
            await martlet.ayield()
        there.send(b"x")
        return block(heard.lock)

    with here, there:
        assert martlet.run(main, workers=1)


def test_nothing_is_said_while_nobody_waits(heard):
    async def main():
        parked, sleeping = martlet.spawn(martlet.channel().receive), martlet.spawn(martlet.sleep, 3600)
        while parked.state != "blocked" or sleeping.state != "blocked":
            await martlet.ayield()
        assert not block(heard.lock, shortly)
        parked.cancel()
        sleeping.cancel()
        return block(heard.lock)

    assert martlet.run(main, workers=1)


def test_nothing_is_said_of_who_computes(heard):
    def compute():
        due = martlet.now() + shortly
        while martlet.now() < due:
            pass

    async def main():
        martlet.spawn(other)
        compute()
        assert heard.said == []
        return block(heard.lock)

    assert martlet.run(main, workers=1)


def test_each_line_is_told_of_once(heard):
    def another_line():
        return heard.lock.acquire(timeout=60)

    async def main():
        martlet.spawn(other)
        assert block(heard.lock)
        assert not block(heard.lock, shortly)
        return another_line()

    assert martlet.run(main, workers=1)
    assert [line for *_, line in heard.said] == [blocking_line, another_line.__code__.co_firstlineno + 1]


def test_a_call_that_keeps_the_global_lock_is_told_of_when_it_is_over(heard):
    usleep = ctypes.PyDLL(None).usleep

    async def main():
        martlet.spawn(other)
        while not heard.said:
            usleep(300_000)

    martlet.run(main, workers=1)
    [(_, _, filename, line)] = heard.said
    assert filename == __file__ and line - main.__code__.co_firstlineno in (2, 3)


def test_a_tasklet_of_a_guest_is_told_of(heard):
    async def block_there():
        martlet.spawn(other)
        return block(heard.lock)

    async def main():
        async with martlet.guest(workers=1):
            return await martlet.spawn(block_there)

    assert asyncio.run(main())


def test_a_filter_may_make_an_error_of_it(heard, monkeypatch):
    def hear(what):
        heard.hear(what.exc_value, what.exc_type, None, None)

    monkeypatch.setattr(sys, "unraisablehook", hear)
    warnings.simplefilter("error")
    martlet.run(block_in_coroutine, heard, workers=1)
    [(text, category, *_)] = heard.said
    assert category is RuntimeWarning and "tasklet 'block_in_coroutine'" in text


def in_environment(said):
    program = """
    import martlet, threading

    async def other():
        pass

    async def main():
        martlet.spawn(other)
        lock = threading.Lock()
        lock.acquire()
        lock.acquire(timeout=0.4)

    try:
        martlet.run(main, workers=1)
    except martlet.Misuse as error:
        print(error)
    """
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env=os.environ | {"MARTLET_WATCH": said},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def test_the_environment_turns_it_off():
    done = in_environment("off")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert 'is "off" or nothing; found "no"' in in_environment("no").stdout
