"""martlet.stackless.spread in whole programs: how a process ends, forks and is interrupted."""

import sys

import pytest

from alone import program


def test_tasklets_that_wait_on_workers_are_killed_when_the_process_ends():
    out, err = program(
        """
        import sys
        stackless.spread(3)
        ch = stackless.channel()

        def waits():
            try:
                ch.receive()
            finally:
                sys.stdout.write("killed\\n")

        for _ in range(20):
            stackless.tasklet(waits)()
        stackless.run()
        sys.stdout.write("end\\n")
        """
    )
    assert (out, err) == ("end\n" + "killed\n" * 20, "")


@pytest.mark.parametrize("what", ["count()", "time.sleep(1000)", "waits()"])
def test_a_process_ends_whatever_its_workers_do(what):
    out, err = program(
        f"""
        import threading, time
        started = threading.Semaphore(0)

        def count():
            while True:
                pass

        def waits():
            while True:
                stackless.schedule()

        def works():
            started.release()
            {what}

        stackless.spread(3)
        for _ in range(2):
            stackless.tasklet(works)()
        for _ in range(2):
            started.acquire()
        print("end")
        """
    )
    assert (out, err) == ("end\n", "")


busy = """
        import os, threading
        started, ends = threading.Event(), threading.Event()
        stackless.spread(2)
        stackless.tasklet(lambda: (started.set(), ends.wait()))()
        started.wait()
"""


def test_what_is_offered_runs_in_the_child_of_a_fork():
    out, err = program(
        busy
        + """
        for n in range(3):
            stackless.tasklet(print)(n, flush=True)
        child = os.fork()
        if child == 0:
            stackless.run()
            print("child", stackless.spread(2), flush=True)
            stackless.tasklet(print)("of two", flush=True)
            stackless.run()
            print(stackless.spread(1), stackless.getthreads() == [threading.get_ident()], flush=True)
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
        ends.set()
        stackless.spread(1)
        stackless.run()
        """
    )
    assert out == "0\n1\n2\nchild 1\nof two\n2 True\n0\n0\n1\n2\n", err


def test_a_tasklet_may_fork_while_its_thread_is_in_run():
    out, err = program(
        busy
        + """
        def forks():
            child = os.fork()
            if child == 0:
                print("forked", flush=True)
                return
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
            ends.set()

        stackless.tasklet(forks)()
        main = os.getpid()
        stackless.run()
        if os.getpid() == main:
            print("parent", stackless.spread(1))
        else:
            print("child", stackless.spread(1), flush=True)
        """
    )
    assert out == "forked\nchild 1\n0\nparent 2\n", err


def test_a_tasklet_on_a_worker_may_fork():
    out, err = program(
        """
        import os, threading
        forked = threading.Event()

        def forks():
            child = os.fork()
            if child == 0:
                stackless.tasklet(print)("child", flush=True)
                stackless.schedule()
                os._exit(7)
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
            forked.set()

        stackless.spread(2)
        stackless.tasklet(forks)()
        forked.wait()
        stackless.run()
        """
    )
    assert out == "child\n7\n", err


def test_ctrl_c_leaves_run_while_workers_compute():
    out, err = program(
        """
        import os, signal, threading
        ends = []

        def computes():
            os.kill(os.getpid(), signal.SIGINT)
            while not ends:
                pass

        started = threading.Event()
        stackless.spread(2)
        one = stackless.tasklet(lambda: (started.set(), computes()))()
        try:
            started.wait()
            stackless.run()
        except KeyboardInterrupt:
            print("interrupted", one.alive)
        ends.append(1)
        stackless.run()
        print(one.alive, stackless.spread(1))
        """
    )
    assert out == "interrupted True\nFalse 2\n", err


@pytest.mark.skipif(sys.version_info < (3, 14), reason="the standard library has interpreters since 3.14")
def test_other_interpreters_have_no_workers():
    out, err = program(
        """
        from concurrent import interpreters
        one = interpreters.create()
        one.exec(
            '''if True:
            from martlet import stackless
            try:
                stackless.spread(2)
            except RuntimeError as error:
                print(error, flush=True)
            '''
        )
        one.close()
        """
    )
    assert out == "spread: it needs the main interpreter, whose threads may be daemons\n", err
