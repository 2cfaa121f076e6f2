"""What martlet.stackless has from Stackless's heir: channels with a queue, and what is counted of tasklets."""

import gc
import time

import pytest

from alone import add, refuses
from martlet import stackless

pytestmark = pytest.mark.usefixtures("alone")


class problem(Exception):
    pass


# QueueChannel


def test_a_sender_never_waits_at_a_queue_channel():
    ch = stackless.QueueChannel()
    assert isinstance(ch, stackless.channel)
    assert (ch.preference, ch.balance, len(ch)) == (1, 0, 0)
    for n in range(3):
        assert ch.send(n) is None
        assert (ch.balance, len(ch)) == (n + 1, n + 1)
    assert [ch.receive() for _ in range(3)] == [0, 1, 2]
    assert (ch.balance, len(ch)) == (0, 0)


def test_a_receiver_waits_at_an_empty_queue_channel():
    ch, log = stackless.QueueChannel(), []
    for _ in range(2):
        stackless.tasklet(lambda: log.append(ch.receive()))()
    stackless.run()
    assert (ch.balance, len(ch)) == (-2, 0)
    ch.send("a")
    assert log == []  # the sender goes on
    ch.send("b")
    ch.send("c")
    stackless.run()
    assert log == ["a", "b"] and ch.receive() == "c"


def test_exceptions_are_kept_in_order():
    ch = stackless.QueueChannel()
    ch.send(1)
    ch.send_exception(problem, "a", "b")
    ch.send_throw(problem("c"))
    ch.send_throw(problem, "d")
    ch.send(2)
    assert ch.receive() == 1
    for args in ("a", "b"), ("c",), ("d",):
        with pytest.raises(problem) as caught:
            ch.receive()
        assert caught.value.args == args
    assert ch.receive() == 2


def test_an_exception_goes_to_who_waits():
    ch, log = stackless.QueueChannel(), []

    def receives():
        try:
            ch.receive()
        except problem as error:
            log.append(error.args)

    stackless.tasklet(receives)()
    stackless.run()
    ch.send_exception(problem, 1, 2)
    stackless.run()
    assert log == [(1, 2)]


def test_iterating_a_queue_channel():
    ch = stackless.QueueChannel()
    assert ch.send_sequence(range(5)) == 5
    ch.close()
    assert (ch.closing, ch.closed) == (True, False)
    assert list(ch) == list(range(5))
    assert ch.closed
    ch.open()
    ch.send(1)
    ch.send_exception(StopIteration)
    assert list(ch) == [1]


def test_a_closed_queue_channel_refuses():
    ch = stackless.QueueChannel()
    ch.send(1)
    ch.close()
    refuses(ValueError, "Send/receive operation on a closed channel", ch.send, 2)
    refuses(ValueError, "Send/receive operation on a closed channel", ch.send_exception, problem)
    assert ch.receive() == 1
    refuses(ValueError, "Send/receive operation on a closed channel", ch.receive)


def test_what_a_queue_channel_keeps_goes_with_it():
    import weakref

    class thing:
        pass

    ch, held = stackless.QueueChannel(), thing()
    gone = weakref.ref(held)
    ch.send(held)
    held.channel = ch
    del ch, held
    gc.collect()
    assert gone() is None


def test_threads_share_a_queue_channel():
    import threading

    ch, seen = stackless.QueueChannel(), []
    threads = [threading.Thread(target=ch.send_sequence, args=(range(n, n + 100),)) for n in range(0, 400, 100)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    while len(ch):
        seen.append(ch.receive())
    assert sorted(seen) == list(range(400))


# block_trap as a with block


def test_a_block_trap_for_a_with_block():
    main = stackless.getcurrent()
    with stackless.block_trap():
        assert main.block_trap
        refuses(RuntimeError, "this tasklet does not like to be blocked.", stackless.channel().receive)
        with stackless.block_trap(False):
            assert not main.block_trap
        assert main.block_trap
    assert not main.block_trap


# what is counted


def test_the_times_that_a_tasklet_was_switched_to_are_counted():
    def yields(n):
        for _ in range(n):
            stackless.schedule()

    one, two = stackless.tasklet(yields)(5), stackless.tasklet(yields)(3)
    assert (one.times_switched_to, two.times_switched_to) == (0, 0)
    stackless.run()
    assert (one.times_switched_to, two.times_switched_to) == (5, 4)  # in its last turn the first one yields to itself


def test_a_tasklet_knows_when_it_began_and_ended():
    def waits():
        stackless.schedule_remove(None)

    one = stackless.tasklet(waits)
    one()
    before = time.time_ns()
    stackless.run()
    middle = time.time_ns()
    assert before <= one.start_time <= middle
    assert not one.end_time
    one.run()
    assert middle <= one.end_time <= time.time_ns()


def test_a_tasklet_knows_where_it_was_made():
    one = stackless.tasklet(len, ((),))
    line = test_a_tasklet_knows_where_it_was_made.__code__.co_firstlineno + 1
    assert one.callsite == f"{__file__}:{line} in test_a_tasklet_knows_where_it_was_made"
    one.run()


def test_a_tasklet_knows_its_function():
    one = stackless.tasklet(add, ("", None))
    code = add.__code__
    assert (one.method_name, one.module_name) == ("add", "alone")
    assert (one.file_name, one.line_number) == (code.co_filename, code.co_firstlineno)
    one.run()
    one.bind(len, ((),))
    assert (one.method_name, one.module_name, one.file_name, one.line_number) == ("len", "builtins", "", 0)
    one.kill()


def test_tasklets_are_counted():
    gc.collect()
    alive, made = stackless.get_active_tasklet_count(), stackless.get_all_time_tasklet_count()
    tasks = add("abc", [])
    assert stackless.get_active_tasklet_count() == alive + 3
    assert stackless.get_all_time_tasklet_count() == made + 3
    assert stackless.calculateruncount() == stackless.getruncount() == 4
    stackless.run()
    del tasks
    gc.collect()
    assert stackless.get_active_tasklet_count() == alive
    assert stackless.get_all_time_tasklet_count() == made + 3
