"""martlet.stackless: callbacks at switches and at channels, and the handler of errors."""

import sys

import pytest

from alone import add, refuses
from martlet import stackless

pytestmark = pytest.mark.usefixtures("alone")


class problem(Exception):
    pass


@pytest.fixture
def switches():
    """Which tasklet went over to which."""
    seen = []
    stackless.set_schedule_callback(lambda before, after: seen.append((before, after)))
    yield seen
    stackless.set_schedule_callback(None)


@pytest.fixture
def actions():
    """What was done to channels."""
    seen = []
    stackless.set_channel_callback(lambda *what: seen.append(what))
    yield seen
    stackless.set_channel_callback(None)


@pytest.mark.parametrize(
    "set_hook, get_hook, text",
    [
        (stackless.set_schedule_callback, stackless.get_schedule_callback, "schedule callback must be callable"),
        (stackless.set_channel_callback, stackless.get_channel_callback, "channel callback must be callable"),
    ],
)
def test_setters_return_the_old_callback(set_hook, get_hook, text):
    def one(*arguments):
        pass

    assert get_hook() is None
    assert set_hook(one) is None
    assert get_hook() is one
    assert set_hook(print) is one
    refuses(TypeError, text, set_hook, 5)
    assert get_hook() is print
    assert set_hook(None) is print
    assert get_hook() is None


def test_each_switch_is_told(switches):
    main = stackless.getcurrent()
    a, b = add("ab", [], lambda one: stackless.schedule())
    stackless.run()
    assert switches == [(main, a), (a, b), (b, a), (a, b), (b, main)]


def test_what_is_no_switch_is_not_told(switches):
    ch = stackless.channel()
    stackless.schedule()
    stackless.run()
    stackless.tasklet(ch.send)(1)
    stackless.run()
    del switches[:]
    ch.receive()
    assert switches == []
    stackless.run()
    assert len(switches) == 2


def test_the_current_tasklet_of_a_schedule_callback_is_the_one_before():
    seen = []
    main = stackless.getcurrent()
    stackless.set_schedule_callback(lambda before, after: seen.append((before, stackless.getcurrent())))
    (a,) = add("a", [])
    stackless.run()
    stackless.set_schedule_callback(None)
    assert seen == [(main, main), (a, a)]


@pytest.mark.parametrize("kind", [problem, SystemExit, KeyboardInterrupt])
def test_an_error_of_a_schedule_callback_goes_to_stderr(unraised, kind):
    log = []

    def fails(before, after):
        raise kind("text")

    stackless.set_schedule_callback(fails)
    add("ab", log)
    stackless.run()
    stackless.set_schedule_callback(None)
    assert log == ["a", "b"]
    assert [(type(error), what) for error, what in unraised] == [(kind, "Error in scheduling callback")] * 3


def test_an_error_of_a_schedule_callback_is_printed(capsys, monkeypatch):
    monkeypatch.setattr(sys, "unraisablehook", sys.__unraisablehook__)
    stackless.set_schedule_callback(lambda before, after: 1 / 0)
    add("a", [])
    stackless.run()
    stackless.set_schedule_callback(None)
    assert capsys.readouterr().err.count("ZeroDivisionError") == 2


def test_an_error_of_a_channel_callback_goes_to_stderr(unraised):
    ch = stackless.channel()
    stackless.set_channel_callback(lambda *what: 1 / 0)
    stackless.tasklet(ch.send)(5)
    stackless.run()
    assert ch.receive() == 5
    stackless.set_channel_callback(None)
    stackless.run()
    assert [type(error) for error, _ in unraised] == [ZeroDivisionError] * 2


def test_each_action_at_a_channel_is_told(actions):
    main, ch = stackless.getcurrent(), stackless.channel()
    one = stackless.tasklet(ch.send)(5)
    stackless.run()
    assert ch.receive() == 5
    stackless.run()
    two = stackless.tasklet(ch.receive)()
    stackless.run()
    ch.send_exception(TaskletExit)
    assert actions == [(ch, one, 1, 1), (ch, main, 0, 0), (ch, two, 0, 1), (ch, main, 1, 0)]
    assert all(type(number) is int for action in actions for number in action[2:])


def test_a_channel_callback_sees_the_value():
    seen = []
    stackless.set_channel_callback(lambda ch, one, sending, willblock: seen.append((sending, one.tempval)))
    ch = stackless.channel()
    one = stackless.tasklet(ch.send)("value")
    stackless.run()
    ch.receive()
    stackless.set_channel_callback(None)
    stackless.run()
    assert seen == [(1, "value"), (0, None)] and not one.alive


def test_a_channel_callback_that_is_refused_the_wait_is_told_nevertheless(actions):
    ch = stackless.channel()
    ch.close()
    with pytest.raises(ValueError):
        ch.receive()
    assert [action[2:] for action in actions] == [(0, 1)]


def test_a_channel_callback_may_use_no_channel():
    ch, other, seen = stackless.channel(), stackless.channel(), []

    def uses(*what):
        refuses(RuntimeError, "Recursive channel call due to callbacks!", other.send, 1)
        refuses(RuntimeError, "Recursive channel call due to callbacks!", ch.receive)
        seen.append(what)

    stackless.set_channel_callback(uses)
    one = stackless.tasklet(ch.receive)()
    stackless.run()
    stackless.set_channel_callback(None)
    assert len(seen) == 1 and ch.balance == -1 and other.balance == 0
    one.kill()


def test_a_schedule_callback_may_not_switch():
    seen = []

    def switches(before, after):
        for call in stackless.schedule, stackless.run, stackless.schedule_remove, stackless.channel().receive:
            with pytest.raises(RuntimeError):
                call()
            seen.append(stackless.getruncount())

    log = []
    add("ab", log)
    stackless.set_schedule_callback(switches)
    stackless.run()
    stackless.set_schedule_callback(None)
    assert log == ["a", "b"] and len(seen) == 12


def test_a_schedule_callback_may_insert_and_take_itself_away():
    log, seen = [], []

    def inserts(before, after):
        stackless.set_schedule_callback(None)
        seen.extend(add("x", log))

    add("ab", log)
    stackless.set_schedule_callback(inserts)
    stackless.run()
    assert log == ["a", "b", "x"] and len(seen) == 1


# the handler of errors


@pytest.fixture
def handled():
    seen = []
    assert stackless.set_error_handler(lambda *what: seen.append((what, stackless.getcurrent()))) is None
    yield seen
    stackless.set_error_handler(None)


def fails(error):
    raise error


def test_the_handler_swallows_in_the_dying_tasklet(handled):
    error = problem("text")
    one = stackless.tasklet(fails)(error)
    log = []
    add("a", log)
    assert stackless.run() is None
    assert [(what[:2], who) for what, who in handled] == [((problem, error), one)]
    assert handled[0][0][2].tb_frame.f_code is fails.__code__
    assert log == ["a"] and not one.alive


def test_the_handler_is_not_asked_about_tasklet_exit(handled):
    one = stackless.tasklet(stackless.schedule_remove)()
    stackless.run()
    one.kill()
    stackless.tasklet(fails)(TaskletExit)
    stackless.run()
    assert handled == []


def test_the_handler_is_not_asked_about_an_error_of_main(handled):
    with pytest.raises(problem):
        fails(problem())
    refuses(RuntimeError, "Deadlock: the last runnable tasklet cannot be blocked.", stackless.channel().receive)
    assert handled == []


def test_an_error_of_the_handler_leaves_run():
    def handler(kind, value, traceback):
        raise KeyError("from the handler")

    stackless.set_error_handler(handler)
    stackless.tasklet(fails)(problem())
    with pytest.raises(KeyError, match="from the handler"):
        stackless.run()
    assert stackless.set_error_handler() is handler
    assert stackless.set_error_handler(None) is None


def test_what_cannot_be_called_fails_when_it_is_needed():
    assert stackless.set_error_handler(5) is None
    stackless.tasklet(fails)(problem())
    with pytest.raises(TypeError):
        stackless.run()
    assert stackless.set_error_handler(None) == 5


def test_the_handler_may_switch():
    log = []

    def handler(kind, value, traceback):
        log.append("handler")
        stackless.schedule()
        log.append("handled")

    stackless.set_error_handler(handler)
    stackless.tasklet(fails)(problem())
    add("a", log)
    stackless.run()
    stackless.set_error_handler(None)
    assert log == ["handler", "a", "handled"]


def test_hooks_belong_to_all_threads(handled):
    import threading

    there = threading.Thread(target=lambda: (stackless.tasklet(fails)(problem()), stackless.run()))
    there.start()
    there.join()
    assert len(handled) == 1
