"""Signals while tasklets of martlet.stackless run, and while they wait."""

import os
import signal
import subprocess
import sys
import time

import pytest

from alone import program


@pytest.mark.parametrize("waits", ["ch.receive()", "stackless.run(1_000_000, threadblock=True)"])
def test_ctrl_c_wakes_a_main_that_waits_for_other_threads(waits):
    out, err = program(
        f"""
        import os, signal, threading, time

        def later():
            time.sleep(0.3)
            os.kill(os.getpid(), signal.SIGINT)
            go.wait(20)

        go = threading.Event()
        there = threading.Thread(target=later)
        there.start()
        ch = stackless.channel()
        stackless.tasklet(stackless.channel().receive)()
        try:
            {waits}
        except KeyboardInterrupt:
            print("interrupted", ch.balance)
        go.set()
        there.join()
        """
    )
    assert out == "interrupted 0\n", err


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
