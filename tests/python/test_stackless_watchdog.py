"""martlet.stackless.run with a time limit: what it interrupts, when it does not, and what it returns."""

import sys
import threading
import time

import pytest

from alone import add, chain, program, traits
from martlet import stackless

pytestmark = pytest.mark.usefixtures("alone")


class problem(Exception):
    pass


def spin():
    while True:
        pass


def count(to, log=None, name=None):
    n = 0
    while n < to:
        n += 1
    if log is not None:
        log.append(name)


@pytest.fixture
def spinning():
    made = []

    def make(what=spin, *args):
        made.append(stackless.tasklet(what)(*args))
        return made[-1]

    yield make
    for one in made:
        one.kill()


def test_a_tasklet_that_takes_too_long_is_returned():
    one = stackless.tasklet(spin)()
    assert stackless.run(1000) is one
    assert traits(one) == {"alive", "paused", "restorable"}
    assert chain() == ["main"]
    one.kill()
    assert not one.alive


def test_an_interrupted_tasklet_goes_on_where_it_was():
    log = []
    one = stackless.tasklet(count)(100_000, log, "done")
    turns = 0
    while stackless.getruncount() > 1:
        stopped = stackless.run(1000)
        turns += 1
        if stopped is not None:
            assert stopped is one
            stopped.insert()
    assert log == ["done"] and turns > 10


def test_who_comes_behind_stays_in_the_chain(spinning):
    log = []
    one = spinning()
    add("ab", log)
    assert stackless.run(1000) is one
    assert log == [] and chain() == ["main", "a", "b"]
    assert stackless.run(100_000) is None
    assert log == ["a", "b"]


def test_who_is_done_in_time_is_not_interrupted():
    log = []
    add("abc", log)
    assert stackless.run(1_000_000) is None
    assert log == ["a", "b", "c"]


def test_preemption_takes_turns():
    log = []
    tasks = [stackless.tasklet(count)(20_000, log, name) for name in "abc"]
    while stackless.getruncount() > 1:
        stopped = stackless.run(1000)
        if stopped is not None:
            stopped.insert()
    assert sorted(log) == ["a", "b", "c"] and not any(one.alive for one in tasks)


def test_the_limit_counts_bytecodes_about():
    def counts(limit):
        seen = [0]

        def endless():
            n = 0
            while True:
                n += 1
                seen[0] = n

        one = stackless.tasklet(endless)()
        assert stackless.run(limit) is one
        one.kill()
        return seen[0]

    few, many = counts(10_000), counts(1_000_000)
    assert 10_000 / 100 < few < 10_000
    assert 1_000_000 / 100 < many < 1_000_000
    assert few < many / 10


def test_each_turn_has_all_of_the_limit():
    """Without totaltimeout a switch begins a slice anew: tasklets that yield often enough are never interrupted."""

    def yields():
        for _ in range(200):
            count(50)
            stackless.schedule()

    tasks = [stackless.tasklet(yields)() for _ in range(2)]
    assert stackless.run(5000) is None
    assert not any(one.alive for one in tasks)


def test_a_total_timeout_covers_the_whole_run(spinning):
    def yields():
        while True:
            count(50)
            stackless.schedule()

    tasks = [spinning(yields) for _ in range(2)]
    assert stackless.run(5000, totaltimeout=True) in tasks
    assert chain() == ["main", "?"]


def test_a_hot_loop_of_c_calls_is_interrupted():
    def loops():
        while True:
            len(())

    one = stackless.tasklet(loops)()
    assert stackless.run(1000) is one
    one.kill()


def test_recursion_and_generators_are_interrupted(spinning):
    def down(n):
        return down(n - 1) if n else 0

    def recurses():
        while True:
            down(20)

    def endless():
        while True:
            yield

    def iterates():
        for _ in endless():
            pass

    for what in recurses, iterates:
        one = spinning(what)
        assert stackless.run(2000) is one


# what must not be interrupted


def test_an_atomic_tasklet_is_not_interrupted():
    log = []

    def careful():
        with stackless.atomic():
            count(20_000, log, "atomic")
        spin()

    one = stackless.tasklet(careful)()
    assert stackless.run(1000) is one
    assert log == ["atomic"]  # the interrupt came when it was over
    one.kill()


def test_the_end_of_the_atomic_block_is_interrupted_at_once():
    log = []

    def careful():
        before = stackless.getcurrent().set_atomic(True)
        count(20_000)
        stackless.getcurrent().set_atomic(before)
        count(50, log, "too far")

    one = stackless.tasklet(careful)()
    assert stackless.run(10_000) is one
    assert log == []
    one.run()
    assert log == ["too far"]


def test_a_nested_tasklet_is_not_interrupted():
    log = []

    def nested():
        list(map(lambda _: count(20_000, log, "nested"), [1]))
        spin()

    one = stackless.tasklet(nested)()
    assert stackless.run(1000) is one
    assert log == ["nested"]
    one.kill()


@pytest.mark.parametrize("where", ["tasklet", "run"])
def test_a_nested_tasklet_may_be_interrupted_when_that_is_wanted(where):
    log = []
    one = stackless.tasklet(lambda: list(map(lambda _: count(50_000, log, "nested"), [1])))()
    if where == "tasklet":
        one.set_ignore_nesting(True)
        assert stackless.run(1000) is one
    else:
        assert stackless.run(1000, ignore_nesting=True) is one
    assert log == [] and one.nesting_level == 1
    one.insert()
    stackless.run()
    assert log == ["nested"]


def test_a_switch_trap_keeps_a_tasklet_from_being_interrupted():
    log = []

    def trapped():
        stackless.switch_trap(1)
        count(20_000, log, "trapped")
        stackless.switch_trap(-1)
        spin()

    one = stackless.tasklet(trapped)()
    assert stackless.run(1000) is one
    assert log == ["trapped"]
    one.kill()


# soft


def test_a_soft_interrupt_waits_for_the_next_switch(spinning):
    log = []

    def yields():
        for n in range(3):
            count(5000)
            log.append(n)
            stackless.schedule()
        spin()

    one, two = spinning(yields), spinning(yields)
    assert stackless.run(1000, soft=True) is None
    assert log == [0]
    assert chain()[0] == "main" and stackless.getruncount() == 3
    assert stackless.getcurrent().next is two
    assert stackless.run(1000, soft=True) is None
    assert log == [0, 0]
    assert one.scheduled and two.scheduled


def test_a_soft_interrupt_does_not_disturb_a_preferred_receiver(spinning):
    ch, log = stackless.channel(), []

    def receives():
        while True:
            log.append(ch.receive())

    def sends():
        for n in range(3):
            count(5000)
            ch.send(n)
            log.append("sent")
            stackless.schedule()

    spinning(receives)
    spinning(sends)
    assert stackless.run(1000, soft=True) is None
    assert log in ([0], [0, "sent"])  # not at the send itself: at the next switch that is free


def test_who_is_done_before_a_switch_ends_softly():
    log = []
    stackless.tasklet(count)(5000, log, "done")
    assert stackless.run(100, soft=True) is None
    assert log == ["done"] and chain() == ["main"]


def test_a_soft_total_timeout_ends_a_chain_of_channels(spinning):
    channels = [stackless.channel() for _ in range(3)]

    def passes(n):
        if n == 0:
            channels[1].send(0)
        while True:
            value = channels[n].receive()
            count(20)
            channels[(n + 1) % 3].send(value + 1)

    for n in reversed(range(3)):
        spinning(passes, n)
    for _ in range(5):
        assert stackless.run(5000, soft=True, totaltimeout=True, ignore_nesting=True) is None
        assert stackless.getruncount() in (2, 3, 4)


# errors, nesting, neighbours


def test_an_error_leaves_a_run_with_a_limit():
    def fails():
        count(10)
        raise problem("text")

    stackless.tasklet(fails)()
    with pytest.raises(problem, match="text"):
        stackless.run(1_000_000)
    one = stackless.tasklet(spin)()
    assert stackless.run(1000) is one  # the limit works as before
    one.kill()


def test_only_the_outer_run_of_two_with_limits_is_the_watchdog():
    seen = []

    def runs():
        one = stackless.tasklet(spin)()
        seen.append(stackless.run(100))
        one.kill()

    inner = stackless.tasklet(runs)()
    stopped = stackless.run(10_000)
    assert stopped is not None and stopped is not inner
    stopped.kill()
    stackless.run()
    assert len(seen) <= 1
    inner.kill()


def test_an_inner_run_with_a_limit_inside_of_one_without():
    seen = []

    def runs():
        one = stackless.tasklet(spin)()
        seen.append(stackless.run(1000) is one)
        one.kill()

    stackless.tasklet(runs)()
    assert stackless.run() is None
    assert seen == [True]


def test_the_limit_is_one_of_the_calling_thread():
    log = []
    there = threading.Thread(target=lambda: (stackless.tasklet(count)(50_000, log, "there"), stackless.run()))
    one = stackless.tasklet(spin)()
    there.start()
    assert stackless.run(1000) is one
    there.join()
    assert log == ["there"]
    one.kill()


def test_two_threads_have_limits_at_once():
    seen = []

    def elsewhere():
        one = stackless.tasklet(spin)()
        for _ in range(20):
            seen.append(stackless.run(1000) is one)
            one.insert()
        one.kill()

    threads = [threading.Thread(target=elsewhere) for _ in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert seen == [True] * 60


def test_a_limit_leaves_nothing_behind():
    def state():
        tools = [sys.monitoring.get_tool(n) for n in range(6)] if hasattr(sys, "monitoring") else []
        return sys.gettrace(), sys.getprofile(), tools

    before = state()
    one = stackless.tasklet(spin)()
    assert stackless.run(1000) is one
    one.kill()
    assert state() == before
    start = time.perf_counter()
    count(200_000)
    plain = time.perf_counter() - start
    assert plain < 1


def test_a_limit_beside_a_trace_function():
    lines = []

    def trace(frame, event, argument):
        if frame.f_code is task.__code__:
            lines.append(event)
            return trace

    def task():
        n = 0
        while True:
            n += 1

    one = stackless.tasklet(task)()
    one.trace_function = trace
    assert stackless.run(5000, ignore_nesting=True) is one
    assert "line" in lines
    assert one.trace_function is trace
    one.kill()


def test_an_interrupt_in_a_try_block_is_not_seen_by_it():
    log = []

    def careful():
        try:
            count(20_000)
        except BaseException as error:
            log.append(error)
        finally:
            log.append("finally")

    one = stackless.tasklet(careful)()
    assert stackless.run(1000) is one
    assert log == []
    one.run()
    assert log == ["finally"]


def test_a_program_is_run_in_slices_with_ctrl_c_in_between():
    out, err = program(
        """
        import os, signal

        def spins():
            n = 0
            while True:
                n += 1
                if n == 100_000:
                    os.kill(os.getpid(), signal.SIGINT)

        one = stackless.tasklet(spins)()
        try:
            while True:
                stackless.run(1000).insert()
        except KeyboardInterrupt:
            print("interrupted")
        """
    )
    assert out == "interrupted\n", err


# run_n_tasklets


def test_run_n_tasklets_runs_so_many():
    log = []
    add("abcd", log)
    stackless.run_n_tasklets(2)
    assert log == ["a", "b"] and chain() == ["main", "c", "d"]
    stackless.run_n_tasklets(1)
    assert log == ["a", "b", "c"]
    stackless.run_n_tasklets(10)
    assert log == ["a", "b", "c", "d"] and chain() == ["main"]
    stackless.run_n_tasklets(5)


def test_a_tasklet_that_yields_has_had_its_turn():
    log = []

    def yields(one):
        stackless.schedule()
        log.append(one.name + "2")

    add("ab", log, yields)
    stackless.run_n_tasklets(1)
    assert log == ["a"] and chain() == ["main", "b", "a"]
    stackless.run_n_tasklets(2)
    assert log == ["a", "b", "a2"]
    stackless.run()
    assert log == ["a", "b", "a2", "b2"]


def test_run_n_tasklets_of_no_number_is_refused():
    for wrong in "1", None, 1.5:
        with pytest.raises(TypeError):
            stackless.run_n_tasklets(wrong)
    with pytest.raises(TypeError):
        stackless.run_n_tasklets()


def test_an_error_leaves_run_n_tasklets():
    def fails(one):
        raise problem

    log = []
    add("a", log, fails)
    add("b", log)
    with pytest.raises(problem):
        stackless.run_n_tasklets(2)
    assert chain() == ["main", "b"]
    stackless.run()
