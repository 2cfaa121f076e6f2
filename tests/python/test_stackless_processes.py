"""martlet.stackless in whole programs: how a process begins, forks and ends."""

import subprocess
import sys

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
        import gc, threading, time
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
        gc.collect()  # kills those that nobody has any more; their threads go on waiting
        time.sleep(0.1)
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
