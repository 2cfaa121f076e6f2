"""Where martlet.stackless differs from Stackless, as docs/explanation/coming-from-stackless.md has it."""

import pickle
import sys
import threading

import pytest

from alone import program, refuses
from martlet import stackless

pytestmark = pytest.mark.usefixtures("alone")


def waits():
    try:
        stackless.schedule_remove(None)
    finally:
        log.append(sys.exc_info()[0])


log = []


@pytest.fixture(autouse=True)
def empty_log():
    log.clear()


@pytest.fixture
def of_another_thread():
    """A tasklet of another thread that has started, and waits."""
    made, ready, go = [], threading.Event(), threading.Event()

    def elsewhere():
        made.append(stackless.tasklet(waits)())
        stackless.run()
        ready.set()
        go.wait()

    there = threading.Thread(target=elsewhere)
    there.start()
    ready.wait()
    yield made
    made.clear()
    go.set()
    there.join()


def test_a_started_tasklet_stays_on_its_thread(of_another_thread):
    one = of_another_thread[0]
    assert one.paused and one.restorable
    refuses(RuntimeError, "tasklet has C state on its stack", one.bind_thread)
    text = "martlet.stackless: only its own thread can take a tasklet's frames away"
    refuses(RuntimeError, text, one.bind, None)
    refuses(RuntimeError, text, one.bind, len)
    assert one.paused and log == []


def test_a_started_tasklet_cannot_be_pickled():
    one = stackless.tasklet(waits)()
    stackless.run()
    text = "martlet.stackless: a tasklet that has started cannot be pickled: its frames are on a C stack"
    refuses(RuntimeError, text, pickle.dumps, one)
    refuses(RuntimeError, text, one.__reduce__)
    one.kill()
    assert log == [TaskletExit]


def test_the_state_of_one_that_has_not_started_is_its_call():
    state = stackless.tasklet(divmod, (7, 2)).__reduce__()[2]
    assert state[3] == [(divmod, (7, 2), None)] or state[3] == [(divmod, (7, 2), {})]
    foreign = (*state[:3], ["a frame"], *state[4:])
    refuses(ValueError, "martlet.stackless: this is no state of a tasklet that has not started", stackless.tasklet().__setstate__, foreign)


def test_garbage_that_has_started_runs_finally():
    one = stackless.tasklet(waits)()
    stackless.run()
    del one
    assert log == [TaskletExit]


def test_without_soft_switching_a_level_is_counted():
    before = stackless.enable_softswitch(False)
    try:
        one = stackless.tasklet(waits)()
        stackless.run()
        assert one.nesting_level == 1
        refuses(RuntimeError, "tasklet has C state on its stack", one.bind, None)
        one.kill()
    finally:
        stackless.enable_softswitch(before)


def test_an_error_of_a_channel_callback_is_reported(unraised):
    ch = stackless.channel()
    stackless.set_channel_callback(lambda *what: 1 / 0)
    stackless.tasklet(ch.send)(1)
    stackless.run()
    stackless.set_channel_callback(None)
    assert [type(error) for error, _ in unraised] == [ZeroDivisionError]
    assert ch.receive() == 1
    stackless.run()


def test_a_switch_in_a_schedule_callback_is_refused():
    def switches(before, after):
        refuses(RuntimeError, "Recursive scheduler call due to callbacks!", stackless.schedule)
        refuses(RuntimeError, "Recursive scheduler call due to callbacks!", stackless.tasklet(len, ((),)).run)
        log.append("refused")

    stackless.tasklet(len)(())
    stackless.set_schedule_callback(switches)
    stackless.run()
    stackless.set_schedule_callback(None)
    assert log == ["refused"] * 2


def test_a_system_exit_leaves_main_from_where_it_waits():
    out, err = program(
        """
        import sys

        def ends():
            sys.exit(4)

        try:
            stackless.tasklet(ends)()
            stackless.run()
        except BaseException:
            print("caught")
        finally:
            print("finally")
        """,
        code=4,
    )
    assert (out, err) == ("", "")  # as there: nobody is asked


def test_started_tasklets_are_killed_at_exit():
    out, err = program(
        """
        def waits():
            try:
                stackless.schedule_remove(None)
            finally:
                print("finally")

        one = stackless.tasklet(waits)()
        stackless.run()
        """
    )
    assert (out, err) == ("finally\n", "")


def test_names_of_the_inside_are_not_there():
    for name in "cframe", "cstack", "test_cframe", "test_outside", "slpmodule", "_peek":
        assert not hasattr(stackless, name)
    assert not hasattr(stackless.tasklet, "cstate")
