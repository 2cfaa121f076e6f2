"""martlet.stackless: tasklets and channels that nobody has any more."""

import gc
import sys
import weakref

import pytest

from alone import program
from martlet import stackless

pytestmark = pytest.mark.usefixtures("alone")


class thing:
    pass


def test_a_tasklet_that_has_not_started_is_dropped():
    held = thing()
    gone = weakref.ref(held)
    one = stackless.tasklet(len, (held,))
    del held
    assert gone() is not None
    del one
    assert gone() is None


def test_a_tasklet_that_has_ended_holds_nothing():
    held = thing()
    gone = weakref.ref(held)
    one = stackless.tasklet(lambda what: None)(held)
    del held
    stackless.run()
    assert gone() is None and not one.alive


def test_a_runnable_tasklet_is_kept_by_the_chain():
    seen = []
    stackless.tasklet(seen.append)(1)
    gc.collect()
    stackless.run()
    assert seen == [1]


def test_a_blocked_tasklet_is_kept_by_its_channel():
    ch, seen = stackless.channel(), []
    gone = weakref.ref(stackless.tasklet(lambda: seen.append(ch.receive()))())
    stackless.run()
    gc.collect()
    assert gone() is not None
    ch.send(1)
    assert seen == [1] and gone() is None


@pytest.mark.parametrize("nested", [False, True])
def test_a_paused_tasklet_that_nobody_has_is_killed(nested):
    seen = []

    def waits(_=None):
        try:
            stackless.schedule_remove(None)
        finally:
            seen.append(sys.exc_info()[0])

    one = stackless.tasklet((lambda: list(map(waits, [1]))) if nested else waits)()
    stackless.run()
    gone = weakref.ref(one)
    del one
    gc.collect()
    assert gone() is None
    assert seen == [TaskletExit]


@pytest.mark.parametrize("sends", [False, True])
def test_a_cycle_through_a_blocked_tasklet_is_collected(sends):
    """The tasklet's frame has the channel, whose queue has the tasklet."""
    seen = []

    def waits(ch, held):
        try:
            ch.send(held) if sends else ch.receive()
        finally:
            seen.append(sys.exc_info()[0])

    ch, held = stackless.channel(), thing()
    gone = [weakref.ref(ch), weakref.ref(held), weakref.ref(stackless.tasklet(waits)(ch, held))]
    stackless.run()
    del held
    gc.collect()
    assert [one() is None for one in gone] == [False] * 3 and seen == []
    del ch
    for _ in range(3):
        gc.collect()
    assert [one() is None for one in gone] == [True] * 3
    assert seen == [TaskletExit]


def test_a_cycle_through_an_object_is_collected():
    class owner:
        pass

    def waits(mine):
        mine.channel.receive()

    mine = owner()
    mine.channel = stackless.channel()
    mine.task = stackless.tasklet(waits)(mine)
    stackless.run()
    gone = weakref.ref(mine)
    del mine
    for _ in range(3):
        gc.collect()
    assert gone() is None


def test_a_cycle_of_an_unstarted_tasklet_is_collected():
    one = stackless.tasklet()
    held = thing()
    held.task = one
    one.bind(len, (held,))
    gone = weakref.ref(held)
    del one, held
    gc.collect()
    assert gone() is None


def test_a_cycle_through_the_tempval_is_collected():
    one = stackless.tasklet()
    held = thing()
    held.task = one
    one.tempval = held
    gone = weakref.ref(held)
    del one, held
    gc.collect()
    assert gone() is None


def test_many_cycles_are_collected():
    def waits(ch):
        ch.receive()

    before = stackless.get_active_tasklet_count() if hasattr(stackless, "get_active_tasklet_count") else 0
    for _ in range(1000):
        ch = stackless.channel()
        stackless.tasklet(waits)(ch)
    stackless.run()
    del ch
    for _ in range(3):
        gc.collect()
    if before:
        assert stackless.get_active_tasklet_count() == before


def test_what_a_live_tasklet_alone_has_is_not_collected():
    """Everything that its frames refer to stays, whatever the collector can see of them."""
    ch, seen = stackless.channel(), []

    def inner(values):
        cycle = [thing()]
        cycle.append(cycle)
        gone = weakref.ref(cycle[0])
        for value in (*values, ch.receive()):  # a value that lies on the value stack only
            seen.append(value)
        seen.append(gone() is not None and cycle[1] is cycle)

    def makes():
        fresh = thing()
        yield fresh

    stackless.tasklet(lambda: inner([[1], [2]]))()
    stackless.tasklet(lambda: seen.append((thing(), ch.receive(), [one for one in makes()])))()
    stackless.run()
    for _ in range(5):
        gc.collect()
    ch.send(3)
    ch.send(4)
    assert seen[:4] == [[1], [2], 3, True] and type(seen[4][0]) is thing and type(seen[4][2][0]) is thing


def test_a_tasklet_that_nobody_has_is_killed_until_it_ends():
    ch, seen = stackless.channel(), []

    def stubborn():
        for wait in stackless.schedule_remove, ch.receive, stackless.schedule, stackless.schedule_remove:
            try:
                wait()
            except TaskletExit:
                seen.append(wait)

    one = stackless.tasklet(stubborn)()
    stackless.run()
    gone = weakref.ref(one)
    del one
    gc.collect()
    assert seen == [stackless.schedule_remove, ch.receive, stackless.schedule, stackless.schedule_remove]
    assert gone() is None and ch.balance == 0


def test_a_tasklet_that_never_ends_is_killed_ten_times_and_stays():
    out, err = program(
        """
        import gc
        count = 0

        def endless():
            global count
            while True:
                try:
                    stackless.schedule_remove(None)
                except TaskletExit:
                    count += 1

        one = stackless.tasklet(endless)()
        stackless.run()
        del one
        gc.collect()
        print(count)
        """
    )
    assert out == "10\n", err


def test_a_channel_that_goes_lets_those_go_who_wait_there():
    seen = []

    def waits(number):
        try:
            one._channel if number < 0 else box[0].receive()
        finally:
            seen.append(number)

    box = [stackless.channel()]
    for number in range(3):
        one = stackless.tasklet(waits)(number)
    stackless.run()
    one = None
    box.clear()
    for _ in range(3):
        gc.collect()
    assert sorted(seen) == [0, 1, 2]


def test_a_collection_in_a_tasklet_kills_another_one():
    seen = []

    def waits(ch):
        try:
            ch.receive()
        finally:
            seen.append(stackless.getcurrent() is not collector)

    def collects():
        ch = stackless.channel()
        stackless.tasklet(waits)(ch).run()
        del ch
        for _ in range(3):
            gc.collect()
        seen.append("collected")

    collector = stackless.tasklet(collects)()
    stackless.run()
    assert seen == [True, "collected"]


def test_del_of_a_value_may_use_the_module():
    log = []

    class careful:
        def __del__(self):
            stackless.schedule()
            log.append(stackless.getcurrent() is not None)
            stackless.tasklet(log.append)("tasklet")

    def has_one():
        held = careful()  # noqa: F841
        log.append("ends")

    stackless.tasklet(has_one)()
    stackless.run()
    one = stackless.tasklet(has_one, ())
    one.tempval = careful()
    one.tempval = None
    one.run()
    stackless.run()
    assert log.count("tasklet") == 3 and log.count(True) == 3


def test_del_during_a_collection_may_switch():
    out, err = program(
        """
        import gc
        log = []

        class careful:
            def __del__(self):
                stackless.tasklet(log.append)("ran").run()
                stackless.schedule()

        def other():
            for _ in range(3):
                stackless.schedule()
            log.append("other")

        stackless.tasklet(other)()
        one = careful()
        one.self = one
        del one
        gc.collect()
        stackless.run()
        print(*sorted(log))
        """
    )
    assert out.split() == ["other", "ran"], err


def test_a_collection_on_another_thread_leaves_the_kill_to_the_tasklets_own():
    import threading

    seen, ready, ended = [], threading.Event(), threading.Event()

    def waits(ch):
        try:
            ch.receive()
        finally:
            seen.append(threading.get_ident())

    def elsewhere():
        ch = stackless.channel()
        stackless.tasklet(waits)(ch)
        stackless.run()
        del ch
        ready.set()
        ended.wait()
        stackless.run()

    there = threading.Thread(target=elsewhere)
    there.start()
    ready.wait()
    for _ in range(3):
        gc.collect()
    assert seen in ([], [there.ident])
    ended.set()
    there.join()
    assert seen == [there.ident]
