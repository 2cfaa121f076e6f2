"""Tasklets of martlet.stackless: insert, remove, run and switch, and the order in which they have others run."""

import pytest

from alone import add, chain, named, refuses, traits
from martlet import stackless

pytestmark = pytest.mark.usefixtures("alone")


@pytest.fixture
def log():
    return []


def test_insert_puts_a_tasklet_behind_all_others(log):
    a, b, c = [named(name, log) for name in "abc"]
    for one in (b, a, c):
        assert one.insert() is one
    assert chain() == ["main", "b", "a", "c"]
    assert stackless.getruncount() == 4
    stackless.run()
    assert log == ["b", "a", "c"]


def test_insert_leaves_one_that_is_runnable_where_it_is(log):
    a, b = add("ab", log)
    a.insert()
    assert chain() == ["main", "a", "b"]
    stackless.getcurrent().insert()
    assert chain() == ["main", "a", "b"]
    stackless.run()


def test_remove_takes_a_tasklet_out_of_the_chain(log):
    a, b, c = add("abc", log)
    assert b.remove() is b
    assert b.remove() is b  # it is out already
    assert traits(b) == {"alive", "paused", "restorable"}
    assert chain() == ["main", "a", "c"]
    stackless.run()
    assert log == ["a", "c"]
    b.insert()
    stackless.run()
    assert log == ["a", "c", "b"]
    assert b.remove() is b  # also one that is dead


def test_what_cannot_be_inserted_or_removed_is_refused():
    main, dead = stackless.getcurrent(), stackless.tasklet(len)
    for call in (dead.insert, dead.run, dead.switch):
        refuses(RuntimeError, "You cannot run an unbound(dead) tasklet", call)
    ch = stackless.channel()
    blocked = stackless.tasklet(ch.receive)()
    stackless.run()
    for call in (blocked.insert, blocked.run, blocked.switch):
        refuses(RuntimeError, "You cannot run a blocked tasklet", call)
    refuses(RuntimeError, "You cannot remove a blocked tasklet.", blocked.remove)
    refuses(RuntimeError, "The current tasklet cannot be removed.", main.remove)
    assert blocked.blocked and ch.balance == -1 and chain() == ["main"]
    ch.send(None)


def test_run_switches_now_and_leaves_the_caller_at_its_place(log):
    a, b, c = add("abc", log)
    assert a.run() is None
    assert log == ["a", "b", "c"]  # those behind it follow before the caller's turn comes


def test_run_of_one_in_the_middle_skips_those_before_it(log):
    a, b, c = add("abc", log)
    b.run()
    assert log == ["b", "c"] and chain() == ["main", "a"]
    stackless.run()
    assert log == ["b", "c", "a"]


def test_run_of_a_paused_tasklet_comes_back_to_the_caller_first(log):
    a, b = add("ab", log)
    named("x", log).run()
    assert log == ["x"] and chain() == ["main", "a", "b"]
    stackless.run()


def test_run_from_a_tasklet(log):
    def runs_x(one):
        if one.name == "b":
            named("x", log).run()
            log.append("b again")

    add("abc", log, runs_x)
    stackless.run()
    assert log == ["a", "b", "x", "b again", "c"]


def test_run_of_a_scheduled_tasklet_from_a_tasklet(log):
    def runs_d(one):
        if one.name == "a":
            tasks[3].run()
            log.append("a again")

    tasks = add("abcd", log, runs_d)
    stackless.run()
    assert log == ["a", "d", "a again", "b", "c"]


def test_the_current_tasklet_may_run_itself(log):
    a, b = add("ab", log)
    assert stackless.getcurrent().run() is None
    assert log == [] and chain() == ["main", "a", "b"]
    stackless.run()


def test_switch_takes_the_caller_out_of_the_chain(log):
    def switches(one):
        if one.name == "a":
            x.switch()
            log.append("a again")

    a, b = add("ab", log, switches)
    x = named("x", log)
    stackless.run()
    assert log == ["a", "x", "b"]
    assert traits(a) == {"alive", "paused", "restorable"}
    a.run()
    assert log == ["a", "x", "b", "a again"]


def test_switch_to_a_scheduled_tasklet(log):
    def switches(one):
        if one.name == "a":
            tasks[2].switch()
            log.append("a again")

    tasks = add("abc", log, switches)
    stackless.run()
    assert log == ["a", "c", "b"]
    tasks[0].insert()
    stackless.run()
    assert log == ["a", "c", "b", "a again"]


def test_switch_from_main_comes_back_when_nobody_is_left(log):
    main = stackless.getcurrent()
    a, b = add("ab", log, lambda one: log.append(main.scheduled))
    assert a.switch() is None
    assert log == ["a", False, "b", False]
    assert chain() == ["main"]


def test_two_tasklets_hand_over_to_each_other(log):
    def first():
        for n in range(3):
            log.append(n)
            two.switch()
        two.kill()

    def second():
        while True:
            log.append("-")
            one.switch()

    one, two = stackless.tasklet(first, ()), stackless.tasklet(second, ())
    one.switch()
    assert log == [0, "-", 1, "-", 2, "-"]
    assert not one.alive and not two.alive


def test_the_current_tasklet_may_switch_to_itself():
    seen = []
    stackless.tasklet(lambda: seen.append(stackless.current.switch()))()
    stackless.run()
    assert seen == [None]
    assert stackless.getcurrent().switch() is None
    assert chain() == ["main"]


def test_the_value_of_the_caller_is_what_run_gives():
    seen = []
    main = stackless.getcurrent()

    def gives():
        main.tempval = 5

    seen.append(stackless.tasklet(gives, ()).run())
    assert seen == [5] and main.tempval is None


def test_a_switch_trap_refuses_all_switches(log):
    assert stackless.switch_trap(1) == 0
    assert stackless.switch_trap(1) == 1
    a, b = add("ab", log)
    ch = stackless.channel()
    try:
        for call in (
            a.run,
            a.switch,
            stackless.run,
            stackless.schedule,
            stackless.schedule_remove,
            lambda: a.throw(KeyError),
            lambda: a.raise_exception(KeyError),
            ch.receive,
            lambda: ch.send(1),
        ):
            refuses(RuntimeError, "switch_trap", call)
            assert chain() == ["main", "a", "b"] and ch.balance == 0
        x = named("x", log)
        refuses(RuntimeError, "switch_trap", x.run)
        assert x.paused
        refuses(RuntimeError, "switch_trap", x.switch)
        assert x.paused
        a.throw(KeyError, pending=True)  # no switch
    finally:
        assert stackless.switch_trap(-2) == 2
    assert stackless.switch_trap() == 0
    with pytest.raises(KeyError):
        stackless.run()
    stackless.run()
    assert log == ["b"]


def test_a_switch_trap_lets_a_channel_pass_what_needs_no_switch():
    ch = stackless.channel()
    seen = []
    stackless.tasklet(lambda: seen.append(ch.receive()))()
    stackless.run()
    stackless.switch_trap(1)
    try:
        refuses(RuntimeError, "switch_trap", ch.send, 1)  # the receiver would go on
        assert ch.balance == -1 and ch.queue.blocked
        ch.preference = 0
        ch.send(2)
        assert ch.balance == 0 and seen == []
    finally:
        stackless.switch_trap(-1)
    stackless.run()
    assert seen == [2]


def test_a_switch_trap_belongs_to_its_thread():
    import threading

    seen = []

    def elsewhere():
        stackless.tasklet(seen.append)(stackless.switch_trap())
        stackless.run()

    stackless.switch_trap(1)
    try:
        there = threading.Thread(target=elsewhere)
        there.start()
        there.join()
    finally:
        stackless.switch_trap(-1)
    assert seen == [0]


def test_ten_thousand_tasklets_run_in_order():
    seen = []
    for n in range(10_000):
        stackless.tasklet(seen.append)(n)
    assert stackless.getruncount() == 10_001
    stackless.run()
    assert seen == list(range(10_000))
