"""What could crash a process: recursion, generators, profilers and debuggers in tasklets of martlet.stackless."""

import pytest

from alone import program


def test_recursion_without_end_is_an_error_in_each_tasklet():
    out, err = program(
        """
        def endless(n=0):
            return endless(n + 1)

        class endless_in_c:
            def __repr__(self):
                return repr([self])

        errors = 0
        for what in (endless, lambda: repr(endless_in_c()), lambda: sorted([1, 2], key=lambda n: endless())):
            for _ in range(3):
                stackless.tasklet(what)()
                try:
                    stackless.run()
                except RecursionError:
                    errors += 1
        print(errors)
        """
    )
    assert out == "9\n", err


def test_deep_python_recursion_in_many_tasklets():
    out, err = program(
        """
        import sys
        sys.setrecursionlimit(20_000)

        def down(n):
            if n:
                return down(n - 1) + 1
            stackless.schedule()
            return 0

        results = []
        for _ in range(20):
            stackless.tasklet(lambda: results.append(down(10_000)))()
        stackless.run()
        print(results == [10_000] * 20)
        """
    )
    assert out == "True\n", err


def test_bombs_made_by_hand():
    out, err = program(
        """
        for bomb in (stackless.bomb(), stackless.bomb(5), stackless.bomb(int), stackless.bomb(KeyError, 1, 2), stackless.bomb("text", None)):
            one = stackless.tasklet(stackless.schedule_remove)()
            stackless.run()
            one.tempval = bomb
            try:
                one.run()
            except BaseException as error:
                print(type(error).__name__)
            if one.alive:
                one.kill()
        """
    )
    assert len(out.split()) == 5, err


def test_generators_that_are_suspended_in_tasklets():
    out, err = program(
        """
        import gc

        def yields():
            try:
                while True:
                    stackless.schedule()
                    yield 1
            finally:
                print("closed")

        shared = yields()

        def uses():
            print(next(shared))

        def uses_too():
            try:
                next(shared)
            except ValueError as error:
                print(error)

        stackless.tasklet(uses)()
        stackless.tasklet(uses_too)()
        stackless.run()
        shared.close()
        one = yields()
        waiting = stackless.tasklet(next)(one)
        stackless.schedule()
        waiting.kill()
        """
    )
    assert out == "generator already executing\n1\nclosed\nclosed\n", err


def test_coroutines_and_asyncio_in_a_tasklet():
    out, err = program(
        """
        import asyncio

        async def main():
            await asyncio.sleep(0)
            stackless.schedule()
            return 5

        def runs():
            print(asyncio.run(main()))

        stackless.tasklet(runs)()
        stackless.tasklet(print)("other")
        stackless.run()
        """
    )
    assert out == "other\n5\n", err


def test_tasklets_of_martlet_run_may_not_use_it():
    out, err = program(
        """
        import martlet

        def inside():
            try:
                stackless.tasklet(print)("never")
                stackless.run()
            except RuntimeError as error:
                return str(error)

        print(martlet.run(inside))
        stackless.tasklet(print)("fine")
        stackless.run()
        """
    )
    assert out.startswith("martlet.stackless: this thread runs tasklets of martlet.run, whose stack it would leave"), err
    assert out.endswith("\nfine\n")


def test_martlet_run_inside_of_a_tasklet():
    out, err = program(
        """
        import martlet

        def runs():
            print(martlet.run(lambda: 5))

        stackless.tasklet(runs)()
        stackless.tasklet(print)("other")
        stackless.run()
        """
    )
    assert out == "5\nother\n", err


def test_faulthandler_and_tracemalloc_beside_tasklets():
    out, err = program(
        """
        import faulthandler, sys, tracemalloc
        tracemalloc.start()

        def waits():
            stackless.schedule()
            faulthandler.dump_traceback(sys.stderr)
            stackless.schedule_remove(None)

        one = stackless.tasklet(waits)()
        stackless.run()
        tracemalloc.take_snapshot()
        one.kill()
        """
    )
    assert "in waits" in err and "Fatal" not in err


def test_a_hundred_thousand_blocked_tasklets():
    out, err = program(
        """
        ch = stackless.channel()
        total = 0

        def waits():
            global total
            value = ch.receive()
            total += value

        for _ in range(100_000):
            stackless.tasklet(waits)()
        stackless.run()
        print(ch.balance)
        ch.send_sequence(range(100_000))
        print(total == sum(range(100_000)))
        """
    )
    assert out == "-100000\nTrue\n", err


@pytest.mark.parametrize("module", ["cProfile", "trace"])
def test_profilers_and_tracers_beside_tasklets(module):
    text = {
        "cProfile": "import cProfile\nprofile = cProfile.Profile()\nprofile.runcall(main)\nprint('done')",
        "trace": "import trace\ntrace.Trace(count=1, trace=0).runfunc(main)\nprint('done')",
    }[module]
    out, err = program(
        f"""
def task(n):
    for _ in range(n):
        stackless.schedule()

def main():
    for n in range(5):
        stackless.tasklet(task)(n)
    stackless.run()

{text}
"""
    )
    assert out == "done\n", err


def test_a_debugger_steps_over_a_switch():
    out, err = program(
        """
        import pdb, io

        def other():
            print("other")

        def task():
            stackless.schedule()
            print("task")

        stackless.tasklet(task)()
        stackless.tasklet(other)()
        debugger = pdb.Pdb(stdin=io.StringIO("next\\nnext\\nnext\\ncontinue\\n"), stdout=io.StringIO())
        debugger.use_rawinput = False
        debugger.runcall(stackless.run)
        """
    )
    assert out == "other\ntask\n", err
