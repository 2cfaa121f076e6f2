"""Ctrl-C, in a process of its own."""

import signal
import subprocess
import sys
import textwrap
import time

import pytest


def heed_ctrl_c():
    """A shell that runs the tests in the background has them ignore Ctrl-C, and so would what they start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def interrupted(body, number=signal.SIGINT):
    """Runs a program, sends it a signal once it has said "ready", and returns (what it printed, its exit code)."""
    program = subprocess.Popen(
        [sys.executable, "-u", "-c", textwrap.dedent(body)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_ctrl_c,
    )
    try:
        assert program.stdout.readline() == "ready\n", program.stderr.read()
        time.sleep(0.1)
        program.send_signal(number)
        printed, errors = program.communicate(timeout=60)
    finally:
        program.kill()
    return printed + errors, program.returncode


waiting = {
    "idle": "await martlet.asleep(3600)",
    "parked": "await martlet.channel().areceive()",
    "busy": "while True: sum(range(1000))",
    "yielding": "while True: await martlet.ayield()",
    "in a function": "await martlet.spawn(martlet.sleep, 3600)",
    "in a function's C call": "await martlet.spawn(__import__('time').sleep, 3600)",
}


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("wait", list(waiting))
def test_ctrl_c_stops_a_run_cleanly(wait, workers):
    if wait in ("busy", "in a function's C call"):
        workers = 1  # on another thread than the main one, what never waits for martlet is out of every signal's reach
    printed, code = interrupted(f"""
        import martlet

        async def tidy():
            try:
                await martlet.asleep(3600)
            finally:
                print("tidied")

        async def main():
            martlet.spawn(tidy)
            await martlet.asleep(0.01)
            print("ready")
            {waiting[wait]}

        try:
            martlet.run(main, workers={workers})
        except KeyboardInterrupt:
            print("stopped")
        martlet.run(main_again := (lambda: print("and again")))
        """)
    assert code == 0, printed
    assert printed.splitlines() == ["tidied", "stopped", "and again"]


def test_ctrl_c_ends_a_wait_of_the_plain_main_thread():
    printed, code = interrupted("""
        import martlet

        ch = martlet.channel()
        print("ready")
        try:
            ch.receive()
        except KeyboardInterrupt:
            print("stopped", ch.balance)
        """)
    assert (printed, code) == ("stopped 0\n", 0)


def test_a_handler_of_ones_own_runs_while_all_sleep():
    printed, code = interrupted(
        """
        import martlet, signal

        seen = martlet.channel(1)
        signal.signal(signal.SIGUSR1, lambda *_: seen.try_send("handled"))

        async def main():
            print("ready")
            print(await seen.areceive(timeout=30))

        martlet.run(main)
        """,
        signal.SIGUSR1,
    )
    assert (printed, code) == ("handled\n", 0)


def test_the_wake_up_descriptor_is_given_back():
    import martlet

    before = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(before)
    martlet.run(martlet.current)
    after = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(after)
    assert before == after
