"""Tasklets of martlet.stackless: throw, raise_exception and kill."""

import builtins
import sys

import pytest

from alone import add, chain, named, refuses, traits
from martlet import stackless

pytestmark = pytest.mark.usefixtures("alone")


class problem(Exception):
    pass


def catching(seen, what=stackless.schedule_remove):
    """A tasklet that waits and notes which exception ends that."""

    def waits():
        try:
            what()
        except BaseException as error:
            seen.append(error)

    one = stackless.tasklet(waits)()
    one.run()
    return one


def test_tasklet_exit_is_a_builtin():
    assert builtins.TaskletExit is stackless.TaskletExit is TaskletExit
    assert issubclass(TaskletExit, SystemExit)
    assert TaskletExit.__module__ == "builtins"


def test_throw_switches_at_once():
    seen = []
    one = catching(seen)
    assert one.throw(problem, "text") is None
    assert [(type(error), error.args) for error in seen] == [(problem, ("text",))]
    assert not one.alive


@pytest.mark.parametrize(
    "arguments, args",
    [
        ((problem,), ()),
        ((problem, 1), (1,)),
        ((problem, (1, 2)), (1, 2)),
        ((problem, problem(3)), (3,)),
        ((problem(4),), (4,)),
        ((problem(5), None, None), (5,)),
    ],
)
@pytest.mark.parametrize("pending", [False, True])
def test_throw_takes_what_raise_takes(arguments, args, pending):
    seen = []
    one = catching(seen)
    if pending:
        one.throw(*arguments, pending=True)
        stackless.run()
    else:
        one.throw(*arguments)
    assert [(type(error), error.args) for error in seen] == [(problem, args)]


def test_throw_takes_its_arguments_by_name():
    seen = []
    catching(seen).throw(exc=problem, val=1, tb=None, pending=False)
    assert seen[0].args == (1,)


def test_throw_keeps_a_traceback():
    def fails():
        raise problem

    seen = []
    try:
        fails()
    except problem:
        info = sys.exc_info()
    catching(seen).throw(*info)
    assert seen == [info[1]]
    names = []
    step = seen[0].__traceback__
    while step is not None:
        names.append(step.tb_frame.f_code.co_name)
        step = step.tb_next
    assert names[-1] == "fails"
    del info, step


@pytest.mark.parametrize("call", [lambda one, *a: one.throw(*a), lambda one, *a: stackless.channel().send_throw(*a)])
def test_what_cannot_be_raised_is_refused(call):
    one = stackless.tasklet(len, ())
    refuses(TypeError, "exceptions must be classes, or instances, not int", call, one, 5)
    refuses(TypeError, "exceptions must be classes, or instances, not type", call, one, int)
    refuses(TypeError, "third argument must be a traceback object", call, one, problem, None, 5)
    refuses(TypeError, "instance exception may not have a separate value", call, one, problem(), 5)
    with pytest.raises(TypeError):
        call(one)
    assert one.paused
    one.kill()


def test_raise_exception_makes_the_exception_of_its_arguments():
    seen = []
    one = catching(seen)
    one.raise_exception(problem, 1, "two")
    assert [(type(error), error.args) for error in seen] == [(problem, (1, "two"))]
    one = catching(seen)
    one.raise_exception(problem)
    assert seen[1].args == ()
    refuses(TypeError, "raise_exception() takes at least 1 argument", one.raise_exception)


def test_a_pending_throw_makes_runnable_only():
    seen, log = [], []
    one = catching(seen)
    add("a", log)
    assert one.throw(problem, pending=True) is None
    assert seen == [] and chain() == ["main", "a", "?"]
    assert isinstance(one.tempval, stackless.bomb) and one.tempval.type is problem
    stackless.run()
    assert [type(error) for error in seen] == [problem]


def test_a_pending_throw_leaves_one_that_is_runnable_where_it_is():
    log = []
    a, b = add("ab", log)
    a.throw(problem, pending=True)
    assert chain() == ["main", "a", "b"]
    with pytest.raises(problem):
        stackless.run()
    stackless.run()
    assert log == ["b"]


@pytest.mark.parametrize("pending", [False, True])
@pytest.mark.parametrize("sends", [False, True])
def test_a_blocked_tasklet_leaves_its_channel(sends, pending):
    ch = stackless.channel()
    seen = []

    def wait():
        return ch.send(1) if sends else ch.receive()

    first, one, last = [catching(seen, wait) for _ in range(3)]
    assert ch.balance == (3 if sends else -3)
    one.throw(problem, pending=pending)
    assert ch.balance == (2 if sends else -2)
    assert not one.blocked and ch.queue is first and first.next is last and last.prev is first
    stackless.run()
    assert [type(error) for error in seen] == [problem] and not one.alive
    for other in (first, last):
        other.kill()
    assert ch.balance == 0 and ch.queue is None


def test_throw_into_one_in_the_chain_goes_on_from_there():
    log = []
    a, b, c = add("abc", log)
    with pytest.raises(problem):
        b.throw(problem)
    assert log == []  # the exception came back to main at once
    assert chain() == ["main", "a", "c"]
    stackless.run()
    assert log == ["a", "c"]


def test_kill_of_one_in_the_chain_lets_those_behind_it_run_first():
    log = []

    def waits(one):
        stackless.schedule()
        log.append(one.name + " again")

    a, b, c = add("abc", log, waits)
    stackless.schedule()
    b.kill()
    assert log == ["a", "b", "c", "c again"]
    stackless.run()
    assert log == ["a", "b", "c", "c again", "a again"]


def test_throw_into_one_that_has_not_started_is_raised_by_it():
    log = []
    with pytest.raises(problem, match="text"):
        named("a", log).throw(problem, "text")
    one = named("a", log)
    one.throw(problem, "text", pending=True)
    with pytest.raises(problem, match="text"):
        stackless.run()
    assert log == [] and not one.alive


@pytest.mark.parametrize("make", [lambda: stackless.tasklet(), lambda: stackless.tasklet(len), lambda: stackless.tasklet(len, ((),))])
def test_throw_into_a_dead_tasklet_is_refused(make):
    one = make()
    if one.alive:
        one.run()
    for pending in (False, True):
        refuses(RuntimeError, "You cannot throw to a dead tasklet", one.throw, problem, pending=pending)
        assert one.throw(TaskletExit, pending=pending) is None
        assert one.kill(pending) is None
    refuses(RuntimeError, "You cannot throw to a dead tasklet", one.raise_exception, problem)
    assert one.raise_exception(TaskletExit) is None
    assert not one.alive


@pytest.mark.parametrize("pending", [False, True])
def test_the_current_tasklet_raises_what_it_throws_into_itself(pending):
    main = stackless.getcurrent()
    refuses(problem, "text", main.throw, problem, "text", None, pending)
    refuses(problem, "text", main.raise_exception, problem, "text")
    refuses(TaskletExit, "", main.kill, pending)
    seen = []
    one = catching(seen, lambda: stackless.getcurrent().throw(problem))
    assert [type(error) for error in seen] == [problem] and not one.alive


def test_kill_raises_tasklet_exit_and_ends_silently():
    seen = []

    def waits():
        try:
            stackless.schedule_remove()
        finally:
            seen.append(sys.exc_info()[0])

    one = stackless.tasklet(waits)()
    stackless.run()
    assert one.kill() is None
    assert seen == [TaskletExit] and traits(one) == {"restorable"}
    assert one.kill() is None and one.kill(pending=True) is None


def test_kill_of_one_that_never_started_just_ends_it():
    log = []
    for pending in (False, True):
        a, b = add("ab", log)
        a.kill(pending=pending)
        stackless.run()
        assert not a.alive and log == ["b"]
        c = named("c", log)
        c.kill(pending=pending)
        stackless.run()
        assert not c.alive and log == ["b"]
        log.clear()


def test_a_tasklet_may_survive_kill():
    seen = []

    def stubborn():
        while True:
            try:
                stackless.schedule_remove()
            except TaskletExit:
                seen.append("no")
                if len(seen) == 3:
                    raise

    one = stackless.tasklet(stubborn)()
    stackless.run()
    for n in range(1, 4):
        one.kill()
        assert len(seen) == n and one.alive == (n < 3)


def test_a_pending_kill_makes_runnable_only():
    seen, log = [], []
    one = catching(seen)
    add("a", log)
    one.kill(pending=True)
    assert seen == [] and one.scheduled
    stackless.run()
    assert [type(error) for error in seen] == [TaskletExit] and log == ["a"]


def test_a_killed_tasklet_may_wait_in_finally():
    log = []

    def waits():
        try:
            stackless.schedule_remove()
        finally:
            log.append("finally")
            stackless.schedule()
            log.append("ended")

    one = stackless.tasklet(waits)()
    stackless.run()
    one.kill()
    assert log == ["finally"] and one.alive
    stackless.run()
    assert log == ["finally", "ended"] and not one.alive


def test_a_pending_argument_without_a_truth_is_refused():
    class vague:
        def __bool__(self):
            raise problem

    one = stackless.tasklet(len, ())
    with pytest.raises(problem):
        one.kill(pending=vague())
    with pytest.raises(problem):
        one.throw(problem, pending=vague())
    assert one.paused
    one.kill()


def test_a_killed_main_tasklet_raises_where_it_waits():
    main = stackless.getcurrent()
    stackless.tasklet(lambda: main.kill())()
    with pytest.raises(TaskletExit):
        stackless.run()
    stackless.tasklet(lambda: main.throw(problem, pending=True))()
    with pytest.raises(problem):
        stackless.run()
    stackless.tasklet(lambda: main.raise_exception(problem, 1))()
    ch = stackless.channel()
    with pytest.raises(problem):
        ch.receive()
    assert ch.balance == 0
    stackless.run()  # those that did it


def test_an_exception_that_is_being_handled_belongs_to_its_tasklet():
    seen = []

    def handles(error):
        try:
            raise error
        except type(error):
            stackless.schedule()
            seen.append(sys.exc_info()[1])
            stackless.schedule()
            try:
                raise
            except type(error) as again:
                seen.append(again)
        seen.append(sys.exc_info()[1])

    one, two = KeyError(1), ValueError(2)
    stackless.tasklet(handles)(one)
    stackless.tasklet(handles)(two)
    stackless.schedule()
    assert sys.exc_info()[1] is None
    stackless.run()
    assert seen == [one, two, one, None, two, None]
    try:
        raise problem
    except problem as mine:
        seen.clear()
        stackless.tasklet(lambda: seen.append(sys.exc_info()[1]))()
        stackless.run()
        assert seen == [None] and sys.exc_info()[1] is mine
