"""Channels of martlet.stackless: values, exceptions, sequences, and who waits."""

import sys

import pytest

from alone import refuses, traits
from martlet import stackless

pytestmark = pytest.mark.usefixtures("alone")


class problem(Exception):
    pass


def receiving(ch, seen):
    def receives():
        try:
            seen.append(ch.receive())
        except Exception as error:
            seen.append(error)

    one = stackless.tasklet(receives)()
    one.run()
    return one


def test_a_new_channel_is_empty_and_prefers_the_receiver():
    ch = stackless.channel()
    assert (ch.balance, ch.queue, ch.preference, ch.schedule_all) == (0, None, -1, 0)
    assert (ch.closing, ch.closed) == (False, False)
    assert stackless.channel(1, size=2).balance == 0  # arguments are for derived classes
    for name in ("balance", "queue", "closing", "closed"):
        with pytest.raises(AttributeError):
            setattr(ch, name, 1)


def test_a_value_goes_from_sender_to_receiver():
    ch, seen = stackless.channel(), []
    value = object()
    receiving(ch, seen)
    assert ch.send(value) is None
    assert seen == [value]
    stackless.tasklet(ch.send)(value)
    assert ch.receive() is value
    stackless.run()


def test_balance_counts_who_waits():
    ch = stackless.channel()
    for n in range(1, 4):
        one = stackless.tasklet(ch.receive)()
        one.run()
        assert ch.balance == -n
        assert traits(one) == {"alive", "blocked", "scheduled", "restorable"}
        assert one._channel is ch
    for n in range(3):
        assert ch.balance == n - 3
        ch.send(n)
    for n in range(1, 4):
        stackless.tasklet(ch.send)(n).run()
        assert ch.balance == n
    assert [ch.receive() for _ in range(3)] == [1, 2, 3]
    assert ch.balance == 0
    stackless.run()


def test_the_queue_is_a_line_of_those_who_wait():
    ch = stackless.channel()
    a, b, c = [stackless.tasklet(ch.receive)() for _ in range(3)]
    stackless.run()
    assert (ch.queue, a.next, b.next, c.next) == (a, b, c, None)
    assert (a.prev, b.prev, c.prev) == (None, a, b)
    b.kill()
    assert (a.next, c.prev, ch.balance) == (c, a, -2)
    ch.send(1)
    assert (ch.queue, c.prev, c.next) == (c, None, None)
    ch.send(2)
    assert ch.queue is None and a._channel is None


def test_who_came_first_is_served_first():
    ch, seen = stackless.channel(), []
    for _ in range(5):
        receiving(ch, seen)
    for n in range(5):
        ch.send(n)
    assert seen == list(range(5))


def test_send_exception_is_raised_where_it_is_received():
    ch, seen = stackless.channel(), []
    receiving(ch, seen)
    assert ch.send_exception(problem, 1, 2) is None
    receiving(ch, seen)
    ch.send_exception(problem)
    assert [(type(error), error.args) for error in seen] == [(problem, (1, 2)), (problem, ())]
    stackless.tasklet(ch.send_exception)(problem, "later")
    with pytest.raises(problem, match="later"):
        ch.receive()
    refuses(TypeError, "send_exception() takes at least 1 argument", ch.send_exception)
    for wrong in (5, None, int):
        with pytest.raises(TypeError, match="channel.send_exception needs Exception or string subclass as first parameter"):
            ch.send_exception(wrong)
    assert ch.balance == 0
    stackless.run()


def test_send_throw_takes_what_raise_takes():
    ch, seen = stackless.channel(), []

    def fails():
        raise problem(6)

    try:
        fails()
    except problem:
        info = sys.exc_info()
    for arguments in (problem,), (problem, 1), (problem, (2, 3)), (problem(4),), (problem, problem(5)), info:
        receiving(ch, seen)
        assert ch.send_throw(*arguments) is None
    assert [(type(error), error.args) for error in seen] == [(problem, args) for args in [(), (1,), (2, 3), (4,), (5,), (6,)]]
    last = seen[-1].__traceback__
    while last.tb_next is not None:
        last = last.tb_next
    assert last.tb_frame.f_code is fails.__code__
    del info, last
    stackless.tasklet(ch.send_throw)(problem, 7)
    with pytest.raises(problem, match="7"):
        ch.receive()
    stackless.run()


def test_send_sequence_sends_all_and_counts():
    ch, seen = stackless.channel(), []

    def receives():
        seen.extend(ch)

    one = stackless.tasklet(receives)()
    one.run()
    assert ch.send_sequence(range(5)) == 5
    assert ch.send_sequence(letter for letter in "ab") == 2
    assert ch.send_sequence([]) == 0
    assert seen == [*range(5), "a", "b"]
    ch.send_exception(StopIteration)
    assert not one.alive
    with pytest.raises(TypeError):
        ch.send_sequence(5)


def test_send_sequence_passes_an_error_of_the_sequence_on():
    ch, seen = stackless.channel(), []

    def fails():
        yield 1
        raise problem

    receiving(ch, seen)
    with pytest.raises(problem):
        ch.send_sequence(fails())
    assert seen == [1]


def test_a_generator_may_wait_inside_of_a_sequence():
    inner, outer, seen = stackless.channel(), stackless.channel(), []

    def doubles():
        for value in inner:
            yield 2 * value

    def reads():
        for value in outer:
            seen.append(value)

    stackless.tasklet(lambda: outer.send_sequence(doubles()))()
    stackless.tasklet(reads)()
    stackless.run()
    inner.send_sequence(range(3))
    stackless.run()
    assert seen == [0, 2, 4]
    inner.send_exception(StopIteration)
    outer.send_exception(StopIteration)
    stackless.run()
    assert inner.balance == outer.balance == 0


def test_iterating_ends_at_a_stop_iteration_that_was_sent():
    ch, seen = stackless.channel(), []

    def reads():
        for value in ch:
            seen.append(value)
        seen.append("end")

    stackless.tasklet(reads)()
    stackless.run()
    assert iter(ch) is ch
    ch.send(1)
    ch.send(2)
    ch.send_exception(StopIteration)
    assert seen == [1, 2, "end"]


def test_iterating_ends_when_the_channel_is_closed_and_empty():
    ch = stackless.channel()
    tasks = [stackless.tasklet(ch.send)(n) for n in range(3)]
    stackless.run()
    ch.close()
    assert (ch.closing, ch.closed) == (True, False)
    assert list(ch) == [0, 1, 2]
    assert ch.closed
    with pytest.raises(StopIteration):
        next(ch)
    assert list(ch) == []
    stackless.run()
    assert not any(one.alive for one in tasks)


def test_iterating_a_closing_channel_that_others_receive_from_ends_too():
    ch, seen = stackless.channel(), []
    receiving(ch, seen)
    ch.close()
    with pytest.raises(StopIteration):
        next(ch)
    ch.send(1)
    assert seen == [1]


def test_close_stops_the_queue_from_growing_and_wakes_nobody():
    ch, seen = stackless.channel(), []
    one = receiving(ch, seen)
    assert ch.close() is None
    assert (ch.closing, ch.closed, ch.balance, one.blocked) == (True, False, -1, True)
    refuses(ValueError, "Send/receive operation on a closed channel", ch.receive)
    ch.send(5)  # it is waited for
    assert seen == [5] and ch.closed
    for call in (ch.receive, lambda: ch.send(1), lambda: ch.send_exception(problem), lambda: ch.send_throw(problem)):
        refuses(ValueError, "Send/receive operation on a closed channel", call)
    refuses(ValueError, "Send/receive operation on a closed channel", ch.send_sequence, [1])
    assert ch.balance == 0
    assert ch.open() is None
    assert (ch.closing, ch.closed) == (False, False)
    receiving(ch, seen)
    ch.send(6)
    assert seen == [5, 6]


def test_senders_that_wait_at_a_closing_channel_are_received():
    ch = stackless.channel()
    one = stackless.tasklet(ch.send)(1)
    stackless.run()
    ch.close()
    assert ch.receive() == 1
    refuses(ValueError, "Send/receive operation on a closed channel", ch.receive)
    stackless.run()
    assert not one.alive


def test_a_block_trap_refuses_to_wait():
    main, ch = stackless.getcurrent(), stackless.channel()
    main.block_trap = True
    try:
        refuses(RuntimeError, "this tasklet does not like to be blocked.", ch.receive)
        refuses(RuntimeError, "this tasklet does not like to be blocked.", ch.send, 1)
        assert ch.balance == 0
        one = stackless.tasklet(ch.send)(1)
        stackless.run()
        assert ch.receive() == 1  # nothing to wait for
        ch.close()
        refuses(RuntimeError, "this tasklet does not like to be blocked.", ch.receive)
    finally:
        main.block_trap = False
    stackless.run()
    assert not one.alive


def test_a_trapped_tasklet_may_be_another_one():
    ch, seen = stackless.channel(), []
    one = receiving(stackless.channel(), seen)
    one.block_trap = True
    one.throw(problem)
    two = stackless.tasklet(lambda: refuses(RuntimeError, "this tasklet does not like to be blocked.", ch.receive))
    two.block_trap = True
    two()
    stackless.run()
    assert [type(error) for error in seen] == [problem] and not two.alive


def test_a_value_that_waits_is_the_tempval():
    ch = stackless.channel()
    one = stackless.tasklet(ch.send)("value")
    stackless.run()
    assert one.tempval == "value"
    one.tempval = "other"
    assert ch.receive() == "other"
    stackless.run()


def test_wrong_arguments_are_refused():
    ch = stackless.channel()
    for call in (ch.send, lambda: ch.send(1, 2), lambda: ch.receive(1), ch.send_throw, lambda: ch.send_throw(problem, 1, None, 2)):
        with pytest.raises(TypeError):
            call()
    with pytest.raises(TypeError):
        ch.send_sequence()
    assert ch.balance == 0


def test_a_temporary_channel_outlives_the_wait_on_it():
    seen = []

    def waits():
        try:
            stackless.channel().receive()
        finally:
            seen.append("ended")

    one = stackless.tasklet(waits)()
    stackless.run()
    assert one.blocked and one._channel.balance == -1
    one.kill()
    assert seen == ["ended"]


def test_one_blocks_inside_of_c_functions():
    ch, seen = stackless.channel(), []
    tasks = [
        stackless.tasklet(lambda: seen.append(sorted([3, 1, 2], key=lambda n: ch.receive() * n)))(),
        stackless.tasklet(lambda: seen.append(list(map(lambda n: n + ch.receive(), range(3)))))(),
    ]
    stackless.run()
    assert [one.blocked for one in tasks] == [True, True]
    while ch.balance:
        ch.send(-1)
        stackless.run()
    assert sorted(seen) == [[-1, 0, 1], [3, 2, 1]]


def test_ten_thousand_wait_on_one_channel():
    ch, seen = stackless.channel(), []
    for _ in range(10_000):
        stackless.tasklet(lambda: seen.append(ch.receive()))()
    stackless.run()
    assert ch.balance == -10_000
    ch.send_sequence(range(10_000))
    assert seen == list(range(10_000)) and ch.balance == 0
