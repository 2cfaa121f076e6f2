"""martlet.stackless.run without a time limit: who is left, who gets errors, how it nests, and the deadlock rule."""

import pytest

from alone import add, chain, named, refuses, traits
from martlet import stackless

pytestmark = pytest.mark.usefixtures("alone")

DEADLOCK = "Deadlock: the last runnable tasklet cannot be blocked."


class problem(Exception):
    pass


def fails():
    raise problem("text")


def test_run_returns_none_when_nobody_is_left():
    log = []
    assert stackless.run() is None
    add("ab", log)
    assert stackless.run() is None
    assert log == ["a", "b"] and chain() == ["main"]


def test_run_takes_its_arguments_by_position_and_by_name():
    for arguments in (0,), (0, False), (0, False, True, True, True), (-1,):
        assert stackless.run(*arguments) is None
    assert stackless.run(timeout=0, threadblock=False, soft=False, ignore_nesting=False, totaltimeout=False) is None
    for wrong in ("1", None, 1.5):
        with pytest.raises(TypeError):
            stackless.run(wrong)
    with pytest.raises(TypeError):
        stackless.run(limit=1)
    with pytest.raises(OverflowError):
        stackless.run(10**30)


def test_the_caller_is_out_of_the_chain_while_it_runs():
    main = stackless.getcurrent()
    seen = []
    stackless.tasklet(lambda: seen.append((traits(main) & {"paused", "scheduled", "blocked"}, stackless.getruncount())))()
    stackless.run()
    assert seen == [({"paused"}, 1)]
    assert main.scheduled


def test_tasklets_that_wait_do_not_keep_run_from_returning():
    ch = stackless.channel()
    one = stackless.tasklet(ch.receive)()
    two = stackless.tasklet(stackless.schedule_remove)()
    assert stackless.run() is None
    assert one.blocked and two.paused
    ch.send(1)
    two.kill()


def test_an_error_leaves_run_and_the_others_stay():
    log = []
    add("a", log)
    stackless.tasklet(fails)()
    add("b", log)
    refuses(problem, "text", stackless.run)
    assert log == ["a"] and chain() == ["main", "b"]
    stackless.run()
    assert log == ["a", "b"]


def test_an_error_names_where_it_was_raised():
    stackless.tasklet(fails)()
    with pytest.raises(problem) as caught:
        stackless.run()
    assert caught.traceback[-1].name == "fails"


def test_errors_that_are_no_exceptions_leave_run_too():
    for kind in KeyboardInterrupt, GeneratorExit, BaseException:
        stackless.tasklet(raise_it)(kind)
        with pytest.raises(kind):
            stackless.run()


def raise_it(kind):
    raise kind


def test_a_tasklet_exit_that_leaves_a_tasklet_is_no_error():
    one = stackless.tasklet(raise_it)(TaskletExit)
    assert stackless.run() is None
    assert not one.alive


def test_an_error_wakes_a_main_that_takes_its_turn():
    log = []
    stackless.tasklet(fails)()
    add("a", log)
    refuses(problem, "text", stackless.schedule)
    assert log == []
    stackless.run()


def test_an_error_wakes_a_main_that_is_blocked():
    ch = stackless.channel()
    for call in ch.receive, lambda: ch.send(1):
        stackless.tasklet(fails)()
        refuses(problem, "text", call)
        assert ch.balance == 0


# run inside of run


def test_run_in_a_tasklet_runs_the_others_while_main_waits():
    log = []

    def inner(one):
        if one.name == "a":
            stackless.run()
            log.append("a again")

    add("abc", log, inner)
    stackless.run()
    assert log == ["a", "b", "c", "a again"]


def test_an_inner_run_ends_before_an_outer_one():
    main, log = stackless.getcurrent(), []

    def inner(one):
        stackless.run()
        log.append((one.name, main.paused))

    add("ab", log, inner)
    stackless.run()
    assert log == ["a", "b", ("b", True), ("a", True)]


def test_an_error_leaves_the_innermost_run():
    log = []

    def inner(one):
        stackless.tasklet(fails)()
        refuses(problem, "text", stackless.run)
        log.append("caught")

    add("a", log, inner)
    assert stackless.run() is None
    assert log == ["a", "caught"]


def test_an_inner_run_waits_while_main_takes_turns():
    log = []

    def inner(one):
        stackless.run()
        log.append("inner ended")

    (one,) = add("a", log, inner)
    for _ in range(5):
        stackless.schedule()
    assert log == ["a"] and traits(one) >= {"alive", "paused"}
    add("b", log)
    stackless.run()
    assert log == ["a", "b"] and one.alive  # its run is behind main's on the stack of runs
    one.kill()
    assert not one.alive and chain() == ["main"]


def test_an_inner_run_ends_when_main_is_blocked():
    ch, log = stackless.channel(), []

    def inner(one):
        stackless.run()
        log.append("inner ended")
        ch.send("value")

    add("ab", log, lambda one: one.name == "a" and inner(one))
    assert ch.receive() == "value"
    assert log == ["a", "b", "inner ended"]
    stackless.run()


def test_waking_main_makes_the_inner_runs_runnable():
    log = []

    def wakes():
        log.append("wakes")
        stackless.main.run()
        log.append("woken")

    def inner():
        stackless.tasklet(wakes)()
        stackless.run()
        log.append("inner ended")

    stackless.tasklet(inner)()
    stackless.run()
    assert log == ["wakes"]
    stackless.run()
    assert log == ["wakes", "woken", "inner ended"]


def test_the_list_of_runs_can_be_asked_for():
    main = stackless.getcurrent()
    assert stackless.get_thread_info(-1, 1 << 31)[3] in (None, [None])
    seen = []
    one = stackless.tasklet(stackless.run)()
    stackless.tasklet(lambda: seen.append(list(stackless.get_thread_info(-1, 1 << 31)[3])))()
    stackless.run()
    assert seen == [[None, main, one]]


# the deadlock rule


def test_main_alone_cannot_be_blocked():
    ch = stackless.channel()
    for call in ch.receive, lambda: ch.send(1), lambda: ch.send_exception(problem), lambda: next(ch):
        refuses(RuntimeError, DEADLOCK, call)
        assert ch.balance == 0 and chain() == ["main"]


def test_main_waits_in_vain_when_the_last_tasklet_ends():
    ch = stackless.channel()
    stackless.tasklet(lambda: None)()
    refuses(RuntimeError, "the main tasklet is receiving without a sender available.", ch.receive)
    assert ch.balance == 0
    stackless.tasklet(lambda: None)()
    refuses(RuntimeError, "the main tasklet is sending without a receiver available.", ch.send, 1)
    assert ch.balance == 0 and chain() == ["main"]


def test_the_last_tasklet_gets_the_deadlock_when_main_is_blocked():
    ch, other, seen = stackless.channel(), stackless.channel(), []

    def last():
        refuses(RuntimeError, DEADLOCK, other.receive)
        refuses(RuntimeError, DEADLOCK, stackless.schedule_remove)
        seen.append(other.balance)
        ch.send("value")

    stackless.tasklet(last)()
    assert ch.receive() == "value"
    assert seen == [0]
    stackless.run()


def test_a_deadlock_that_is_not_caught_moves_to_a_blocked_main():
    ch, other = stackless.channel(), stackless.channel()
    one = stackless.tasklet(other.receive)()
    refuses(RuntimeError, DEADLOCK, ch.receive)
    assert (ch.balance, other.balance, one.alive) == (0, 0, False)


def test_the_last_tasklet_may_be_blocked_when_main_is_in_run():
    ch = stackless.channel()
    one = stackless.tasklet(ch.receive)()
    assert stackless.run() is None
    assert one.blocked
    one.kill()


def test_the_last_tasklet_may_be_blocked_when_an_inner_run_waits():
    ch, log = stackless.channel(), []

    def inner(one):
        stackless.tasklet(ch.receive)()
        stackless.run()
        log.append(ch.balance)

    add("a", log, inner)
    stackless.run()
    assert log == ["a", -1]
    ch.send(1)


def test_an_error_of_a_blocked_pair_leaves_both_channels_balanced():
    a, b = stackless.channel(), stackless.channel()

    def waits():
        try:
            a.receive()
        finally:
            b.send_exception(problem)

    one = stackless.tasklet(waits)()
    stackless.run()
    stackless.tasklet(one.kill)()
    with pytest.raises(problem):
        b.receive()
    stackless.run()
    assert a.balance == b.balance == 0


# nesting levels


def test_a_tasklet_that_waits_in_python_functions_only_is_restorable():
    def waits():
        stackless.schedule_remove()

    one = stackless.tasklet(waits)()
    stackless.run()
    assert (one.nesting_level, one.restorable) == (0, True)
    one.kill()


def test_c_functions_that_call_back_count_as_nesting():
    levels = []

    def waits(_=None):
        levels.append(stackless.getcurrent().nesting_level)
        stackless.schedule_remove()
        return 0

    def once():
        list(map(waits, [0]))

    def twice():
        list(map(lambda _: sorted([1], key=waits), [0]))

    for what, level in (once, 1), (twice, 2):
        one = stackless.tasklet(what)()
        stackless.run()
        assert (one.nesting_level, one.restorable) == (level, False)
        assert levels.pop() == level
        refuses(RuntimeError, "tasklet has C state on its stack", one.bind, None)
        refuses(RuntimeError, "tasklet has C state on its stack", one.bind, len)
        one.kill()
        assert (one.nesting_level, one.restorable) == (0, True)


def test_tasklets_that_start_tasklets_are_not_nested():
    depths = []

    def starts(n):
        depths.append(stackless.getcurrent().recursion_depth)
        if n:
            stackless.tasklet(starts)(n - 1).run()

    stackless.tasklet(starts)(50).run()
    assert len(depths) == 51 and len(set(depths)) == 1


def test_each_tasklet_has_all_of_the_recursion_limit():
    import sys

    reached = []

    def down(n):
        if n:
            return down(n - 1)
        stackless.schedule()
        reached.append(True)

    depth = sys.getrecursionlimit() // 2
    for _ in range(5):
        stackless.tasklet(down)(depth)
    stackless.run()
    assert len(reached) == 5

    def endless():
        endless()

    one = stackless.tasklet(endless)()
    with pytest.raises(RecursionError):
        stackless.run()
    assert not one.alive
    named("x", reached).run()
    assert reached[-1] == "x"
