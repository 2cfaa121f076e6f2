"""Tasklets of martlet.stackless: how they get a function, and what they say of themselves."""

import weakref

import pytest

from alone import add, named, refuses, traits
from martlet import stackless

pytestmark = pytest.mark.usefixtures("alone")


def nothing(*args, **kwargs):
    pass


def test_a_tasklet_without_a_function_is_dead():
    one = stackless.tasklet()
    assert traits(one) == {"restorable"}
    assert (one.tempval, one.next, one.prev, one.frame, one._channel) == (None,) * 5
    assert (one.recursion_depth, one.nesting_level) == (0, 0)
    assert one.thread_id == stackless.getcurrent().thread_id


@pytest.mark.parametrize("make", [lambda: stackless.tasklet(nothing), lambda: stackless.tasklet().bind(nothing)])
def test_a_bound_function_is_the_value_of_a_dead_tasklet(make):
    one = make()
    assert traits(one) == {"restorable"}
    assert one.tempval is nothing


@pytest.mark.parametrize(
    "make",
    [
        lambda: stackless.tasklet(nothing, (1,)),
        lambda: stackless.tasklet(nothing, None, {}),
        lambda: stackless.tasklet(func=nothing, args=(1,), kwargs={"a": 2}),
        lambda: stackless.tasklet(nothing).bind(None, (1,)),
        lambda: stackless.tasklet(nothing).bind(args=(1,)),
        lambda: stackless.tasklet().bind(nothing, (1,)),
    ],
)
def test_with_arguments_a_tasklet_is_alive_and_paused(make):
    one = make()
    assert traits(one) == {"alive", "paused", "restorable"}
    assert one.tempval is None
    assert (one.next, one.prev, stackless.getruncount()) == (None, None, 1)


@pytest.mark.parametrize("supply", [lambda one, *a, **k: one(*a, **k), lambda one, *a, **k: one.setup(*a, **k)])
def test_a_call_supplies_arguments_and_inserts(supply):
    seen = []
    one = stackless.tasklet(lambda *args, **kwargs: seen.append((args, kwargs)))
    assert supply(one, 1, 2, three=3) is one
    assert traits(one) == {"alive", "scheduled", "restorable"}
    main = stackless.getcurrent()
    assert (main.next, main.prev, one.next, one.prev) == (one, one, main, main)
    assert (one.tempval, stackless.getruncount(), seen) == (None, 2, [])
    stackless.run()
    assert seen == [((1, 2), {"three": 3})]
    assert traits(one) == {"restorable"}
    assert (one.tempval, one.next, one.prev, one.frame) == (None,) * 4


def test_bind_gives_the_tasklet_itself_and_keeps_its_identity():
    seen = []
    one = stackless.tasklet(seen.append)
    for value in range(3):
        assert one.bind(seen.append, (value,)) is one
        one.run()
        assert not one.alive
    assert seen == [0, 1, 2]


def test_setup_needs_a_function_each_time():
    one = stackless.tasklet()
    refuses(RuntimeError, "the tasklet was not bound to a function", one)
    refuses(RuntimeError, "the tasklet was not bound to a function", one.setup, 1)
    refuses(RuntimeError, "the tasklet was not bound to a function", one.bind, None, ())
    one.bind(nothing)()
    stackless.run()
    refuses(RuntimeError, "the tasklet was not bound to a function", one)


def test_setup_of_one_that_is_alive_is_refused():
    one = stackless.tasklet(nothing)()
    refuses(RuntimeError, "tasklet is alive", one)
    one.remove()
    refuses(RuntimeError, "tasklet is alive", one.setup)
    refuses(RuntimeError, "tasklet is alive", stackless.getcurrent())
    assert one.paused
    one.run()


def test_what_is_no_function_and_no_arguments_is_refused():
    one = stackless.tasklet()
    refuses(TypeError, "tasklet function must be a callable or None", stackless.tasklet, 1)
    refuses(TypeError, "tasklet function must be a callable or None", one.bind, "text")
    refuses(TypeError, "tasklet args must be a tuple or None", one.bind, nothing, [1])
    refuses(TypeError, "tasklet kwargs must be a dictionary or None", one.bind, nothing, (), [1])
    assert one.tempval is None and not one.alive
    with pytest.raises(TypeError):
        one.bind(nothing, (), {}, 4)
    with pytest.raises(TypeError):
        stackless.tasklet(function=nothing)


def test_a_bind_that_fails_leaves_the_function():
    one = stackless.tasklet(nothing)
    refuses(TypeError, "tasklet function must be a callable or None", one.bind, 5, ())
    assert one.tempval is nothing


def test_who_runs_or_waits_cannot_be_bound():
    main = stackless.getcurrent()
    refuses(RuntimeError, "can't (re)bind the current tasklet", main.bind, nothing)
    one = stackless.tasklet(nothing)()
    refuses(RuntimeError, "tasklet is scheduled", one.bind, nothing)
    refuses(RuntimeError, "tasklet is scheduled", one.bind, None)
    one.run()
    ch = stackless.channel()
    one = stackless.tasklet(ch.receive)()
    one.run()
    assert one.blocked
    refuses(RuntimeError, "tasklet is scheduled", one.bind, nothing)
    ch.send(1)
    seen = []
    one = stackless.tasklet(lambda: refuses(RuntimeError, "can't (re)bind the current tasklet", stackless.current.bind, nothing))()
    stackless.tasklet(seen.append)(1)
    stackless.run()
    assert seen == [1]


def test_bind_none_drops_the_frames_without_running_finally():
    seen = []

    class thing:
        pass

    def waits(held):
        try:
            stackless.schedule_remove()
        finally:
            seen.append("finally")

    held = thing()
    gone = weakref.ref(held)
    one = stackless.tasklet(waits)(held)
    del held
    stackless.run()
    assert traits(one) == {"alive", "paused", "restorable"}
    assert gone() is not None
    assert one.bind(None) is one
    assert traits(one) == {"restorable"}
    assert (one.tempval, one.frame, seen) == (None, None, [])
    assert gone() is None
    one.bind(seen.append, ("again",)).run()
    assert seen == ["again"]


def test_bind_replaces_what_has_not_started():
    seen = []
    one = stackless.tasklet(seen.append, (1,))
    one.bind(seen.append, (2,))
    one.run()
    assert seen == [2]
    one.bind(seen.append, (3,)).bind(None)
    assert not one.alive and one.tempval is None


def test_c_functions_run_as_tasklets():
    seen = []
    stackless.tasklet(seen.append)(1)
    stackless.tasklet(list.append)(seen, 2)
    stackless.tasklet(stackless.schedule)(None)
    stackless.tasklet(int)("3")
    stackless.run()
    assert seen == [1, 2]


def test_the_value_of_a_waiting_tasklet_can_be_changed():
    seen = []

    def waits():
        seen.append(stackless.schedule_remove("first"))
        seen.append(stackless.schedule_remove("second"))

    one = stackless.tasklet(waits)()
    stackless.run()
    assert one.tempval == "first"
    one.run()
    assert (seen, one.tempval) == (["first"], "second")
    one.tempval = "third"
    one.run()
    assert seen == ["first", "third"]


def test_a_bomb_as_value_explodes():
    def waits():
        with pytest.raises(KeyError, match="7"):
            stackless.schedule_remove()
        seen.append(True)

    seen = []
    one = stackless.tasklet(waits)()
    stackless.run()
    one.tempval = stackless.bomb(KeyError, 7)
    one.run()
    assert seen == [True]


def test_a_bomb_takes_what_exc_info_gives():
    try:
        1 / 0
    except ZeroDivisionError as error:
        info = ZeroDivisionError, error, error.__traceback__
    for bomb in (stackless.bomb(info), stackless.bomb(*info), stackless.bomb(type=info[0], value=info[1], traceback=info[2])):
        assert (bomb.type, bomb.value, bomb.traceback) == info


def test_the_frame_is_the_innermost_one():
    def inner():
        stackless.schedule_remove()

    def outer():
        inner()

    one = stackless.tasklet(outer)()
    assert one.frame is None  # it has none of Python's yet
    stackless.run()
    assert one.frame.f_code is inner.__code__
    assert one.frame.f_back.f_code is outer.__code__
    assert one.frame.f_back.f_back is None
    one.run()
    assert one.frame is None
    assert stackless.getcurrent().frame.f_code is test_the_frame_is_the_innermost_one.__code__


def test_recursion_depth_counts_python_frames():
    def down(n):
        if n:
            down(n - 1)
        else:
            depths.append(stackless.getcurrent().recursion_depth)
            stackless.schedule_remove()

    depths = []
    for n in (0, 1, 10):
        one = stackless.tasklet(down)(n)
        assert one.recursion_depth == 0
        stackless.run()
        assert one.recursion_depth == depths[-1]
        one.run()
    assert depths[1] - depths[0] == 1 and depths[2] - depths[1] == 9
    assert 0 < depths[0] <= 2


def test_flags_are_set_by_methods_that_return_the_old_ones():
    one = stackless.tasklet(nothing)
    for set_flag, name in (one.set_atomic, "atomic"), (one.set_ignore_nesting, "ignore_nesting"):
        assert set_flag(True) is False and getattr(one, name) is True
        assert set_flag(0) is True and getattr(one, name) is False
        assert set_flag(7) is False and getattr(one, name) is True
        assert set_flag(False) is True
        with pytest.raises(AttributeError):
            setattr(one, name, True)
    refuses(TypeError, "set_atomic needs exactly one bool or integer", one.set_atomic, None)
    refuses(TypeError, "set_atomic needs exactly one bool or integer", one.set_atomic, 1.0)
    refuses(TypeError, "set_ignore_nesting needs exactly one bool or integer", one.set_ignore_nesting, "1")
    assert one.block_trap is False
    one.block_trap = 3
    assert one.block_trap is True
    with pytest.raises(TypeError, match="block_trap must be set to a bool or integer"):
        one.block_trap = None
    assert one.block_trap is True


def test_flags_are_not_inherited():
    main = stackless.getcurrent()
    with stackless.atomic():
        assert main.atomic
        assert not stackless.tasklet(nothing).atomic
    assert not main.atomic


def test_atomic_blocks_nest():
    main = stackless.getcurrent()
    with stackless.atomic() as value:
        assert value is None
        with stackless.atomic():
            assert main.atomic
        assert main.atomic
    assert not main.atomic
    with pytest.raises(KeyError), stackless.atomic():
        raise KeyError
    assert not main.atomic


def test_what_is_told_cannot_be_set():
    one = stackless.tasklet(nothing)
    for name in ("alive", "paused", "blocked", "scheduled", "restorable", "is_main", "is_current", "thread_id", "next", "prev", "frame"):
        with pytest.raises(AttributeError):
            setattr(one, name, 1)


def test_next_and_prev_follow_the_chain():
    log = []
    a, b, c = add("abc", log)
    main = stackless.getcurrent()
    ring = [main, a, b, c]
    assert [one.next for one in ring] == [a, b, c, main]
    assert [one.prev for one in ring] == [c, main, a, b]
    b.remove()
    assert (a.next, c.prev, b.next, b.prev) == (c, a, None, None)
    stackless.run()
    assert log == ["a", "c"]
    b.kill()


def test_the_main_tasklet_is_a_tasklet():
    main = stackless.getmain()
    assert main is stackless.getcurrent() is stackless.main is stackless.current
    assert type(main) is stackless.tasklet
    assert {"alive", "scheduled", "is_main", "is_current"} <= traits(main)
    assert not main.paused and not main.blocked
    seen = []
    stackless.tasklet(lambda: seen.append((traits(main) - {"restorable"}, traits(stackless.current))))()
    stackless.run()
    assert seen == [({"alive", "paused", "is_main"}, {"alive", "scheduled", "restorable", "is_current"})]
    one = named("x", [])
    assert not one.is_main and not one.is_current
    one.run()
