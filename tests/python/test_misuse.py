"""What cannot work is refused with a sentence that says what to write instead."""

import asyncio
import gc
import re
import subprocess
import sys
import textwrap
import threading

import martlet
import pytest


async def other():
    pass


def refused(call, hint):
    with pytest.raises(martlet.Misuse) as caught:
        call()
    assert re.search(hint, str(caught.value)), str(caught.value)


def test_blocking_names_in_a_coroutine_name_their_twin():
    async def main():
        ch, full = martlet.channel(), martlet.channel(1)
        full.try_send(1)
        child = martlet.spawn(other)
        refused(ch.receive, r"'await channel.areceive\(\)'")
        refused(full.receive, r"'await channel.areceive\(\)'")  # even when it would not have waited
        refused(lambda: ch.send(1), r"'await channel.asend\(\)'")
        refused(lambda: ch.receive(timeout=1), r"'await channel.areceive\(\)'")
        refused(lambda: next(ch), "'async for'")
        refused(child.join, r"'await handle.ajoin\(\)'")
        refused(lambda: martlet.sleep(1), r"'await asleep\(seconds\)'")
        refused(martlet.yield_, r"'await ayield\(\)'")
        refused(lambda: martlet.select(ch), r"'await aselect\(...\)'")
        refused(lambda: martlet.run(other), "spawn another one")
        assert full.balance == 1 and ch.balance == 0
        await child

    martlet.run(main)


def test_blocking_names_beside_an_asyncio_loop_are_refused():
    async def main():
        refused(martlet.channel().receive, "asyncio event loop")
        refused(lambda: martlet.sleep(1), "asyncio event loop")
        refused(lambda: martlet.run(other), "asyncio event loop")
        return await asyncio.to_thread(martlet.run, answer)

    async def answer():
        return 42

    assert asyncio.run(main()) == 42
    martlet.run(other)  # with asyncio imported, and no loop running


def test_awaiting_outside_of_a_tasklet_is_refused():
    async def main():
        await martlet.channel().areceive()

    with pytest.raises(martlet.Misuse, match="outside of a tasklet"):
        main().send(None)

    def in_function():
        with pytest.raises(martlet.Misuse, match="inside a function tasklet"):
            main().send(None)

    martlet.run(in_function)


def test_awaiting_what_nobody_completes_is_refused():
    class Foreign:
        def __await__(self):
            yield self

    async def main():
        with pytest.raises(martlet.Misuse, match="awaited an object of type Foreign"):
            await Foreign()
        loop = asyncio.new_event_loop()
        try:
            with pytest.raises(martlet.Misuse, match="a future of an event loop that does not run"):
                await loop.create_future()
        finally:
            loop.close()
        await martlet.asleep(0)
        return "went on"

    assert martlet.run(main) == "went on"


def test_an_operation_is_used_once():
    async def main():
        ch = martlet.channel(3)
        op = ch.asend(1)
        await op
        with pytest.raises(martlet.Misuse, match="was awaited already"):
            await op
        op = ch.asend(2)
        await martlet.aselect(op)
        with pytest.raises(martlet.Misuse, match="was given to a select already"):
            await op
        with pytest.raises(martlet.Misuse, match="used once"):
            await martlet.aselect(op)
        op = martlet.channel().areceive()

        async def shares():
            await op

        sharing = martlet.spawn(shares)
        while sharing.state != "blocked":
            await martlet.ayield()
        with pytest.raises(martlet.Misuse, match="by another tasklet already"):
            await op
        sharing.cancel()
        with pytest.raises(martlet.Cancelled):
            await sharing

    martlet.run(main)


def test_an_operation_that_nobody_awaits_warns():
    async def main():
        ch = martlet.channel(1)
        with pytest.warns(RuntimeWarning, match=r"channel.asend\(\) was never awaited, so nothing was done"):
            ch.asend(1)
        assert ch.balance == 0

    martlet.run(main)


def test_a_tasklet_cannot_join_itself():
    async def main():
        refused(martlet.current().ajoin, "its own end")
        with pytest.raises(martlet.Misuse, match="its own end"):
            await martlet.current()

    def blocking():
        refused(martlet.current().join, "its own end")

    martlet.run(main)
    martlet.run(blocking)


def test_spawn_needs_a_run_and_something_to_run():
    refused(lambda: martlet.spawn(print), "inside of martlet.run")

    async def main():
        for wrong in (3, None, martlet.asleep(0), martlet.current()):
            with pytest.raises(TypeError, match="a tasklet runs a coroutine or a function; found"):
                martlet.spawn(wrong)
        coroutine = other()
        with pytest.raises(TypeError, match="has its arguments already"):
            martlet.spawn(coroutine, 1)
        await coroutine
        with pytest.raises(TypeError, match="no argument 'nmae'"):
            martlet.spawn(other, nmae="x")
        with pytest.raises(TypeError, match="a name is a str"):
            martlet.spawn(other, name=3)
        with pytest.raises(TypeError):
            martlet.spawn(other, 1, 2, 3)  # which takes none

    with pytest.warns(RuntimeWarning, match="never awaited"):
        martlet.run(main)


def test_types_are_made_by_their_functions():
    for one in (martlet.handle, martlet.operation):
        with pytest.raises(TypeError, match="cannot create"):
            one()


def test_a_spawn_after_the_end_of_the_run_is_refused():
    seen = []

    def thread(go):
        go.wait()
        try:
            martlet.spawn(other)
        except martlet.Misuse as error:
            seen.append(str(error))

    go = threading.Event()
    late = threading.Thread(target=thread, args=(go,))
    late.start()
    martlet.run(other)
    go.set()
    late.join()
    assert len(seen) == 1


def test_a_coroutine_is_one_tasklet():
    async def child():
        await martlet.asleep(0)
        return 42

    async def main():
        coroutine = child()
        once = martlet.spawn(coroutine)
        refused(lambda: martlet.spawn(coroutine), "is a tasklet already")
        assert await once == 42
        refused(lambda: martlet.spawn(coroutine), "has begun already")
        begun = child()
        begun.close()
        refused(lambda: martlet.spawn(begun), "has begun already")

    martlet.run(main)


def test_a_destructor_may_wait_in_a_function_and_is_told_in_a_coroutine():
    told = []

    class Thing:
        def __init__(self, values):
            self.values = values
            self.me = self

        def __del__(self):
            try:
                told.append(self.values.receive())
            except martlet.Misuse as error:
                told.append(str(error))

    def main_blocking():
        values = martlet.channel()
        martlet.spawn(values.send, 5)
        Thing(values)
        gc.collect()

    async def main():
        Thing(martlet.channel())
        gc.collect()

    martlet.run(main_blocking)
    martlet.run(main)
    assert told[0] == 5 and "await channel.areceive()" in told[1]


def in_a_process(body):
    # Newer versions warn of a fork beside other threads, which here are none of the child's business.
    command = [sys.executable, "-Wignore::DeprecationWarning", "-c", textwrap.dedent(body)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return done.stdout


def test_the_child_of_a_fork_is_told_that_nobody_runs_its_tasklets():
    assert in_a_process(
        """
        import os, martlet

        def in_child(wait):
            try:
                wait()
            except martlet.Misuse as error:
                print("child of a fork" in str(error), flush=True)
            os._exit(7)

        def main():
            values = martlet.channel()
            other = martlet.spawn(values.receive)
            martlet.yield_()
            child = os.fork()
            if child == 0:
                in_child(lambda: martlet.sleep(0.01))
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
            child = os.fork()
            if child == 0:
                in_child(lambda: martlet.spawn(print))
            os.waitpid(child, 0)
            values.send("the parent goes on")
            print(other.join(), flush=True)

        async def amain():
            child = os.fork()
            if child == 0:
                try:
                    await martlet.asleep(0.01)
                except martlet.Misuse as error:
                    print("child of a fork" in str(error), flush=True)
                os._exit(0)
            os.waitpid(child, 0)

        martlet.run(main, workers=1)
        martlet.run(amain, workers=1)
        child = os.fork()  # outside of any run
        if child == 0:
            print(martlet.run(lambda: martlet.sleep(0.001) or "a run of its own"), flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        """
    ) == "True\n7\nTrue\nthe parent goes on\nTrue\na run of its own\n"


def test_the_child_of_a_fork_leaves_a_guest():
    assert in_a_process(
        """
        import os, martlet

        guest = martlet.guest(workers=2)
        child = os.fork()
        if child == 0:
            guest.close()
            os._exit(7)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        guest.close()
        """
    ) == "7\n"


def test_the_interpreter_ends_with_parked_tasklets():
    assert in_a_process(
        """
        import threading, time, martlet

        def park():
            martlet.channel().receive()

        async def apark():
            await martlet.channel().areceive()

        async def main():
            for _ in range(10):
                martlet.spawn(park)
                martlet.spawn(apark)
            started.set()
            await martlet.channel().areceive()

        started = threading.Event()
        threading.Thread(target=martlet.run, args=(main,), daemon=True).start()
        started.wait()
        time.sleep(0.01)
        print("ends")
        """
    ) == "ends\n"
