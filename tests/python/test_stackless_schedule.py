"""martlet.stackless: schedule, schedule_remove, and what the module tells of the chain."""

import pytest

from alone import add, chain, named, refuses
from martlet import stackless

pytestmark = pytest.mark.usefixtures("alone")


def test_schedule_lets_the_next_tasklet_go_on():
    log = []

    def twice(one):
        stackless.schedule()
        log.append(one.name + "2")

    add("abc", log, twice)
    stackless.schedule()
    assert log == ["a", "b", "c"]
    assert chain() == ["main", "a", "b", "c"]
    stackless.schedule()
    assert log == ["a", "b", "c", "a2", "b2", "c2"]
    assert chain() == ["main"]


def test_schedule_gives_the_tasklet_or_what_it_was_given():
    main = stackless.getcurrent()
    for schedule in (stackless.schedule, stackless.schedule_remove):
        assert schedule() is main
        assert schedule(5) == 5
        assert schedule(retval=None) is None
        with pytest.raises(TypeError):
            schedule(1, 2)
        with pytest.raises(TypeError):
            schedule(value=1)
    seen = []

    def one():
        seen.append(stackless.schedule() is stackless.getcurrent())
        seen.append(stackless.schedule("value"))
        seen.append(stackless.schedule_remove("removed"))

    task = stackless.tasklet(one)()
    stackless.run()
    assert seen == [True, "value"] and task.paused
    task.run()
    assert seen == [True, "value", "removed"]


def test_schedule_remove_takes_the_caller_out():
    log = []

    def leaves(one):
        if one.name == "b":
            stackless.schedule_remove()
            log.append("b again")

    a, b, c = add("abc", log, leaves)
    stackless.run()
    assert log == ["a", "b", "c"] and b.paused
    b.insert()
    stackless.run()
    assert log == ["a", "b", "c", "b again"]


def test_main_may_remove_itself_and_comes_back_when_nobody_is_left():
    log = []
    add("ab", log, lambda one: log.append(stackless.main.paused))
    assert stackless.schedule_remove("value") == "value"
    assert log == ["a", True, "b", True]
    assert chain() == ["main"]


def test_a_removed_main_gets_an_error_of_the_others():
    def fails():
        raise KeyError(3)

    stackless.tasklet(fails)()
    with pytest.raises(KeyError, match="3"):
        stackless.schedule_remove()
    assert chain() == ["main"]


def test_the_run_count_counts_this_threads_chain():
    assert stackless.getruncount() == stackless.runcount == 1
    log = []
    tasks = add("abc", log, lambda one: log.append(stackless.runcount))
    assert stackless.getruncount() == stackless.runcount == 4
    tasks[1].remove()
    assert stackless.runcount == 3
    stackless.run()  # takes main out
    assert log == ["a", 2, "c", 1]
    tasks[1].kill()


def test_get_thread_info_tells_of_a_thread():
    main = stackless.getcurrent()
    assert stackless.get_thread_info() == (main, main, 1)
    assert stackless.get_thread_info(main.thread_id) == (main, main, 1)
    assert stackless.get_thread_info(-1) == (main, main, 1)
    log = []
    a, b = add("ab", log, lambda one: log.append(stackless.get_thread_info(main.thread_id)))
    assert stackless.get_thread_info() == (main, main, 3)
    stackless.run()
    assert log == ["a", (main, a, 2), "b", (main, b, 1)]
    refuses(RuntimeError, "Thread id not found", stackless.get_thread_info, 12345)
    for wrong in ("1", 1.0, None):
        with pytest.raises(TypeError):
            stackless.get_thread_info(wrong)


def test_current_and_main_are_asked_for_anew_each_time():
    seen = []
    one = stackless.tasklet(lambda: seen.append((stackless.current, stackless.getcurrent(), stackless.main)))()
    stackless.run()
    assert seen == [(one, one, stackless.getcurrent())]
    assert stackless.current is stackless.main is stackless.getmain()


def test_the_ids_of_current_tasklets_differ():
    seen = []
    tasks = [stackless.tasklet(lambda: seen.append(stackless.getcurrentid()))() for _ in range(3)]
    stackless.run()
    assert len({stackless.getcurrentid(), *seen}) == 4 and tasks
    assert stackless.getcurrentid() == stackless.getcurrent().thread_id


def test_soft_switching_can_be_asked_for_and_turned_off():
    assert stackless.enable_softswitch(None) is True
    seen = []

    def waits():
        stackless.schedule()
        seen.append(1)

    try:
        assert stackless.enable_softswitch(0) is True
        assert stackless.enable_softswitch(None) is False
        one = stackless.tasklet(waits)()
        stackless.schedule()
        assert not one.restorable and one.nesting_level == 1
        stackless.run()
        assert seen == [1]
    finally:
        assert stackless.enable_softswitch(True) is False
    assert stackless.enable_softswitch(None) is True


def test_pickle_flags_are_asked_for_and_set_by_mask():
    assert stackless.pickle_flags() == 0
    try:
        assert stackless.pickle_flags(1) == 0
        assert stackless.pickle_flags(new_flags=2, mask=2) == 1
        assert stackless.pickle_flags(0, 1) == 3
        assert stackless.pickle_flags() == 2
        refuses(ValueError, "you must not set an undefined pickle-flag", stackless.pickle_flags, 1 << 8)
        refuses(ValueError, "you must not set an undefined pickle-flag", stackless.pickle_flags, -2)
        assert stackless.pickle_flags() == 2
    finally:
        stackless.pickle_flags(0)


def test_a_name_is_there_for_everything_that_stackless_has():
    names = """tasklet channel bomb atomic TaskletExit run schedule schedule_remove getcurrent getcurrentid getmain getruncount
        getthreads get_thread_info current main runcount threads switch_trap enable_softswitch set_schedule_callback
        get_schedule_callback set_channel_callback get_channel_callback set_error_handler pickle_flags pickle_flags_default
        PICKLEFLAGS_PRESERVE_TRACING_STATE PICKLEFLAGS_PRESERVE_AG_FINALIZER PICKLEFLAGS_RESET_AG_FINALIZER getuncollectables
        getdebug debug uncollectables pickle_with_tracing_state QueueChannel run_n_tasklets spread"""
    assert [name for name in names.split() if not hasattr(stackless, name)] == []
    names = """bind setup __call__ insert remove run switch kill throw raise_exception set_atomic set_ignore_nesting bind_thread
        set_context context_run alive paused blocked scheduled restorable atomic ignore_nesting is_main is_current block_trap
        thread_id next prev frame recursion_depth nesting_level tempval trace_function profile_function __reduce__
        __reduce_ex__ __setstate__ _channel context_id"""
    assert [name for name in names.split() if not hasattr(stackless.tasklet, name)] == []
    names = """send receive send_exception send_throw send_sequence __iter__ __next__ close open closing closed balance preference
        schedule_all queue __reduce__ __reduce_ex__ __setstate__"""
    assert [name for name in names.split() if not hasattr(stackless.channel, name)] == []


def test_a_hundred_thousand_turns():
    seen = []

    def takes_turns():
        for _ in range(10_000):
            stackless.schedule()
        seen.append(None)

    for _ in range(10):
        stackless.tasklet(takes_turns)()
    stackless.run()
    assert len(seen) == 10


def test_a_tasklet_that_ends_is_followed_by_its_next():
    log = []
    a, b, c = add("abc", log, lambda one: one.name == "a" and named("d", log).insert())
    stackless.run()
    assert log == ["a", "b", "c", "d"]
