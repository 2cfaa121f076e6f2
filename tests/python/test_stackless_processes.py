"""martlet.stackless in whole programs: how a process ends, forks, signals, and what could crash one."""

import os
import signal
import subprocess
import sys
import time

import pytest

from alone import program


def test_a_process_ends_whatever_its_tasklets_wait_for():
    out, err = program(
        """
        ch = stackless.channel()

        def waits(what):
            what()

        tasks = [stackless.tasklet(waits)(what) for what in (ch.receive, stackless.schedule_remove, stackless.schedule)]
        nested = stackless.tasklet(lambda: list(map(waits, [ch.receive])))()
        stackless.schedule()
        stackless.tasklet(print)("never runs")
        stackless.tasklet(waits, (ch.receive,))
        print("end")
        """
    )
    assert (out, err) == ("end\n", "")


def test_a_process_ends_whatever_the_tasklets_of_its_threads_wait_for():
    out, err = program(
        """
        import threading, time
        ch = stackless.channel()

        def elsewhere():
            stackless.tasklet(ch.receive)()
            stackless.tasklet(stackless.schedule_remove)()
            stackless.run()
            ready.release()
            ch.receive()

        ready = threading.Semaphore(0)
        for _ in range(3):
            threading.Thread(target=elsewhere, daemon=True).start()
            ready.acquire()
        print("end")
        """
    )
    assert (out, err) == ("end\n", "")


def test_main_may_end_inside_of_a_tasklet():
    out, err = program(
        """
        import sys

        def ends():
            try:
                sys.exit(5)
            finally:
                print("finally")

        stackless.tasklet(ends)()
        stackless.run()
        print("never")
        """,
        code=5,
    )
    assert (out, err) == ("finally\n", "")


@pytest.mark.parametrize("what, code, text", [("sys.exit()", 0, ""), ("sys.exit('text')", 1, "text\n"), ("raise SystemExit(3)", 3, "")])
def test_a_system_exit_ends_the_process(what, code, text):
    program_text = f"""
        import atexit, sys
        atexit.register(print, "at exit")

        def ends():
            {what}

        stackless.tasklet(ends)()
        try:
            stackless.run()
        except BaseException as error:
            print("caught", type(error))
        """
    assert program(program_text, code=code) == ("at exit\n", text)


def test_an_error_that_nobody_catches_ends_the_process_with_its_traceback():
    out, err = program(
        """
        def fails():
            1 / 0

        stackless.tasklet(fails)()
        stackless.run()
        """,
        code=1,
    )
    assert err.startswith("Traceback") and "in fails" in err and err.endswith("ZeroDivisionError: division by zero\n")


def test_functions_at_exit_may_use_tasklets():
    out, err = program(
        """
        import atexit
        ch = stackless.channel()

        def at_exit():
            stackless.tasklet(print)("in a tasklet")
            stackless.run()
            waits.kill()

        def blocked():
            try:
                ch.receive()
            finally:
                print("killed")

        waits = stackless.tasklet(blocked)()
        stackless.run()
        atexit.register(at_exit)
        """
    )
    assert out == "in a tasklet\nkilled\n", err


def test_a_module_that_is_torn_down_may_still_have_tasklets():
    out, err = program(
        """
        import sys

        class careful:
            def __del__(self):
                try:
                    stackless.tasklet(print, ("in a tasklet",)).run()
                    stackless.schedule()
                except (RuntimeError, AttributeError, NameError, TypeError) as error:
                    print("refused")

        keep = careful()
        keep.self = keep
        sys.modules["keeps"] = keep
        """
    )
    assert (out, err) == ("in a tasklet\n", "")


def test_a_tasklet_in_the_middle_of_a_with_block_at_exit():
    out, err = program(
        """
        import threading
        lock = threading.Lock()

        def holds():
            with lock:
                for value in (n for n in range(10)):
                    stackless.schedule_remove(None)

        stackless.tasklet(holds)()
        stackless.run()
        """
    )
    assert err == ""


# fork


def test_a_child_has_the_tasklet_that_forked():
    out, err = program(
        """
        import os, sys
        log = []

        def forks():
            child = os.fork()
            if child == 0:
                stackless.tasklet(log.append)("in the child")
                stackless.schedule()
                print(*log, stackless.getcurrent() is forking, flush=True)
                os._exit(7)
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)

        forking = stackless.tasklet(forks)()
        stackless.run()
        """
    )
    assert out == "in the child True\n7\n", err


def test_a_child_may_end_as_any_process_does():
    out, err = program(
        """
        import os, sys
        ch = stackless.channel()
        stackless.tasklet(ch.receive)()
        stackless.run()
        child = os.fork()
        if child == 0:
            stackless.tasklet(print)("child")
            stackless.run()
            sys.exit(3)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        """
    )
    assert sorted(out.split()) == ["3", "child"], err


def test_the_tasklets_of_other_threads_are_not_in_a_child():
    out, err = program(
        """
        import os, sys, threading
        ready, go, made = threading.Event(), threading.Event(), []

        def elsewhere():
            made.append(stackless.tasklet(stackless.schedule_remove)())
            stackless.run()
            ready.set()
            go.wait()

        there = threading.Thread(target=elsewhere)
        there.start()
        ready.wait()
        child = os.fork()
        if child == 0:
            print(made[0].thread_id, made[0].alive, len(stackless.getthreads()), flush=True)
            stackless.tasklet(print)("child", flush=True)
            stackless.run()
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
        go.set()
        there.join()
        """
    )
    assert out == "-1 False 1\nchild\n0\n", err


def test_a_child_of_a_thread_has_that_thread_as_its_first():
    out, err = program(
        """
        import os, threading

        def elsewhere():
            child = os.fork()
            if child == 0:
                stackless.tasklet(print)("child", flush=True)
                stackless.run()
                os._exit(0)
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)

        there = threading.Thread(target=elsewhere)
        there.start()
        there.join()
        """
    )
    assert out == "child\n0\n", err


# signals


def test_ctrl_c_wakes_a_main_that_waits_for_other_threads():
    out, err = program(
        """
        import os, signal, threading, time

        def later():
            time.sleep(0.3)
            os.kill(os.getpid(), signal.SIGINT)
            go.wait(20)

        go = threading.Event()
        there = threading.Thread(target=later)
        there.start()
        ch = stackless.channel()
        try:
            ch.receive()
        except KeyboardInterrupt:
            print("interrupted", ch.balance)
        go.set()
        there.join()
        """
    )
    assert out == "interrupted 0\n", err


def test_ctrl_c_wakes_run_with_threadblock():
    out, err = program(
        """
        import os, signal, threading, time

        def later():
            time.sleep(0.3)
            os.kill(os.getpid(), signal.SIGINT)
            go.wait(20)

        go = threading.Event()
        there = threading.Thread(target=later)
        there.start()
        ch = stackless.channel()
        stackless.tasklet(ch.receive)()
        try:
            stackless.run(1_000_000, threadblock=True)
        except KeyboardInterrupt:
            print("interrupted")
        go.set()
        there.join()
        """
    )
    assert out == "interrupted\n", err


def test_ctrl_c_reaches_a_tasklet_that_computes():
    text = "from martlet import stackless\ndef spins():\n print('on', flush=True)\n while True: pass\nstackless.tasklet(spins)()\nstackless.run()"
    child = subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "on\n"
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=60)
    assert child.returncode == -signal.SIGINT and "in spins" in err and err.endswith("KeyboardInterrupt\n")


def test_a_signal_handler_may_switch():
    out, err = program(
        """
        import os, signal
        log = []

        def handler(number, frame):
            log.append("handler")
            stackless.tasklet(log.append)("started").run()
            stackless.schedule()
            log.append("handled")

        def works():
            os.kill(os.getpid(), signal.SIGUSR1)
            for _ in range(1000):
                pass
            log.append("worked")

        def other():
            log.append("other")

        signal.signal(signal.SIGUSR1, handler)
        stackless.tasklet(works)()
        stackless.tasklet(other)()
        stackless.run()
        print(*log)
        """
    )
    assert out == "handler started other handled worked\n", err


def test_signals_arrive_all_the_time():
    out, err = program(
        """
        import itertools, signal
        count = itertools.count()
        signal.signal(signal.SIGALRM, lambda number, frame: (next(count), stackless.schedule()))
        signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
        ch = stackless.channel()
        total = 0

        def sends():
            for n in range(20_000):
                ch.send(n)
            ch.send(None)

        def receives():
            global total
            for n in iter(ch.receive, None):
                total += n

        stackless.tasklet(sends)()
        stackless.tasklet(receives)()
        stackless.run()
        signal.setitimer(signal.ITIMER_REAL, 0)
        print(total == sum(range(20_000)), next(count) > 0)
        """
    )
    assert out == "True True\n", err


# what could crash a process


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


def test_importing_the_module_twice_is_the_same_module():
    out, err = program(
        """
        import importlib, sys
        before = stackless.tasklet, stackless.channel, TaskletExit
        main = stackless.getcurrent()
        importlib.reload(stackless)
        print(before == (stackless.tasklet, stackless.channel, TaskletExit), stackless.getcurrent() is main)
        """
    )
    assert out == "True True\n", err


def test_an_import_costs_a_program_that_does_not_use_it_nothing():
    done = subprocess.run(
        [sys.executable, "-c", "import martlet, sys; print('martlet.stackless' in sys.modules, 'TaskletExit' in dir(__builtins__))"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stdout == "False False\n", done.stderr


def test_a_process_that_is_told_to_end_does():
    text = "from martlet import stackless\nch = stackless.channel()\nimport threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\nprint('on', flush=True)\nch.receive()"
    child = subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "on\n"
    time.sleep(0.1)
    os.kill(child.pid, signal.SIGINT)
    out, err = child.communicate(timeout=60)
    assert child.returncode == -signal.SIGINT and err.endswith("KeyboardInterrupt\n")


def test_a_signal_handler_of_a_thread_that_waits_for_others_is_refused():
    out, err = program(
        """
        import os, signal, threading, time
        ch, other = stackless.channel(), stackless.channel()

        def later():
            time.sleep(0.2)
            os.kill(os.getpid(), signal.SIGUSR1)
            handled.wait(20)
            ch.send("value")

        def handler(number, frame):
            for call in stackless.schedule, stackless.run, other.receive, lambda: other.send(1), stackless.tasklet(len, ((),)).run:
                try:
                    call()
                except RuntimeError as error:
                    print(str(error).partition(",")[0])
            handled.set()

        handled = threading.Event()
        signal.signal(signal.SIGUSR1, handler)
        there = threading.Thread(target=later)
        there.start()
        print(ch.receive())
        there.join()
        """
    )
    assert out == "martlet.stackless: this thread waits for others\n" * 5 + "value\n", err
