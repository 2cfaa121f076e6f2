"""Channels: both kinds of tasklets and threads at either end."""

import threading
import time

import martlet
import pytest

from conftest import in_both_kinds


# ---- the same traffic for every pairing of sender and receiver

COUNT = 300


async def send_as_coroutine(ch):
    for n in range(COUNT):
        await ch.asend(n)


def send_as_function(ch):
    for n in range(COUNT):
        ch.send(n)


def send_as_thread(ch):
    thread = threading.Thread(target=send_as_function, args=(ch,))
    thread.start()
    while thread.is_alive():
        martlet.sleep(0.001)


async def receive_as_coroutine(ch):
    return [await ch.areceive() for _ in range(COUNT)]


def receive_as_function(ch):
    return [ch.receive() for _ in range(COUNT)]


def receive_as_thread(ch):
    got = []
    thread = threading.Thread(target=lambda: got.extend(receive_as_function(ch)))
    thread.start()
    while thread.is_alive():
        martlet.sleep(0.001)
    return got


@pytest.mark.parametrize("capacity", [0, 1, 7])
@pytest.mark.parametrize("sender", [send_as_coroutine, send_as_function, send_as_thread])
@pytest.mark.parametrize("receiver", [receive_as_coroutine, receive_as_function, receive_as_thread])
def test_values_arrive_in_order_between_all_kinds(sender, receiver, capacity, workers):
    async def main():
        ch = martlet.channel(capacity)
        sending = martlet.spawn(sender, ch)
        receiving = martlet.spawn(receiver, ch)
        assert await receiving == list(range(COUNT))
        assert await sending is None
        assert ch.balance == 0

    martlet.run(main, workers=workers)


def test_many_senders_and_receivers_lose_and_double_nothing(workers):
    async def main():
        ch = martlet.channel(3)
        async with martlet.scope() as inside:
            receivers = [inside.spawn(collect) for collect in 4 * [lambda: [n for n in ch]]]

            async def acollect():
                return [n async for n in ch]

            receivers += [inside.spawn(acollect) for _ in range(4)]
            async with martlet.scope() as senders:
                for kind in (send_as_coroutine, send_as_function):
                    for _ in range(4):
                        senders.spawn(kind, ch)
            ch.close()
        got = []
        for receiver in receivers:
            got += await receiver
        assert sorted(got) == sorted(8 * list(range(COUNT)))

    martlet.run(main, workers=workers)


# ---- the end


async def closing():
    ch = martlet.channel(2)
    await ch.asend("left")
    ch.close()
    ch.close()
    assert ch.closed
    with pytest.raises(martlet.ChannelClosed):
        await ch.asend(1)
    assert await ch.areceive() == "left"
    with pytest.raises(martlet.ChannelClosed):
        await ch.areceive()
    assert [n async for n in ch] == []


def closing_blocking():
    ch = martlet.channel(2)
    ch.send("left")
    ch.close()
    ch.close()
    assert ch.closed
    with pytest.raises(martlet.ChannelClosed):
        ch.send(1)
    assert ch.receive() == "left"
    with pytest.raises(martlet.ChannelClosed):
        ch.receive()
    assert [n for n in ch] == []


@in_both_kinds(closing, closing_blocking)
def test_a_closed_channel_gives_what_is_left_and_then_says_so(program):
    martlet.run(program)


def test_close_wakes_every_waiter(workers):
    async def sends(ch):
        with pytest.raises(martlet.ChannelClosed):
            await ch.asend(1)
        return "woken"

    def receives(ch):
        with pytest.raises(martlet.ChannelClosed):
            ch.receive()
        return "woken"

    async def main():
        full, empty = martlet.channel(), martlet.channel()
        waiting = [martlet.spawn(sends, full) for _ in range(10)] + [martlet.spawn(receives, empty) for _ in range(10)]
        while full.balance < 10 or empty.balance > -10:
            await martlet.asleep(0.001)
        full.close()
        empty.close()
        for one in waiting:
            assert await one == "woken"

    martlet.run(main, workers=workers)


# ---- without waiting, and with limits


def test_the_try_forms_never_wait():
    ch = martlet.channel(1)
    assert ch.capacity == 1 and ch.balance == 0
    nothing = object()
    assert ch.try_receive() is None
    assert ch.try_receive(nothing) is nothing
    assert ch.try_receive(default=nothing) is nothing
    assert ch.try_send("a") is True
    assert ch.try_send("b") is False
    assert ch.balance == 1
    assert ch.try_receive() == "a"
    ch.close()
    with pytest.raises(martlet.ChannelClosed):
        ch.try_send("c")
    with pytest.raises(martlet.ChannelClosed):
        ch.try_receive()


async def limited():
    ch = martlet.channel()
    with pytest.raises(martlet.DeadlinePassed):
        await ch.areceive(timeout=0)
    begin = time.monotonic()
    with pytest.raises(TimeoutError):
        await ch.areceive(0.05)
    with pytest.raises(martlet.DeadlinePassed):
        await ch.asend("never", timeout=0.05)
    assert 0.1 <= time.monotonic() - begin < 5
    assert ch.balance == 0
    martlet.spawn(send_one, ch)
    assert await ch.areceive(timeout=30) == "one"


def limited_blocking():
    ch = martlet.channel()
    with pytest.raises(martlet.DeadlinePassed):
        ch.receive(timeout=0)
    begin = time.monotonic()
    with pytest.raises(TimeoutError):
        ch.receive(0.05)
    with pytest.raises(martlet.DeadlinePassed):
        ch.send("never", timeout=0.05)
    assert 0.1 <= time.monotonic() - begin < 5
    assert ch.balance == 0
    martlet.spawn(send_one, ch)
    assert ch.receive(timeout=30) == "one"


async def send_one(ch):
    await martlet.asleep(0.01)
    await ch.asend("one")


@in_both_kinds(limited, limited_blocking)
def test_a_wait_ends_when_its_time_has_passed(program):
    martlet.run(program)


def test_a_limit_works_on_a_plain_thread_too():
    ch = martlet.channel()
    with pytest.raises(martlet.DeadlinePassed):
        ch.receive(timeout=0.02)
    thread = threading.Thread(target=lambda: ch.send("here", timeout=30))
    thread.start()
    assert ch.receive(timeout=30) == "here"
    thread.join()


def test_a_timed_out_send_keeps_its_value_and_a_timed_out_receive_takes_none(workers):
    async def main():
        ch = martlet.channel()
        sent, got = 0, []

        async def receive():
            misses = 0
            while True:
                try:
                    got.append(await ch.areceive(timeout=0.0002))
                except martlet.DeadlinePassed:
                    misses += 1
                except martlet.ChannelClosed:
                    return misses

        receivers = [martlet.spawn(receive) for _ in range(3)]
        for n in range(400):
            while True:
                try:
                    await ch.asend(n, timeout=0.0002)
                    break
                except martlet.DeadlinePassed:
                    await martlet.ayield()
            sent += 1
        ch.close()
        for one in receivers:
            await one
        assert sorted(got) == list(range(400))

    martlet.run(main, workers=workers)


def test_a_value_that_waits_in_a_sender_lives_no_longer_than_it():
    import gc
    import weakref

    class thing:
        pass

    async def main():
        ch = martlet.channel()
        value = thing()
        seen = weakref.ref(value)
        with pytest.raises(martlet.DeadlinePassed):
            await ch.asend(value, timeout=0.001)
        del value
        gc.collect()
        assert seen() is None

    martlet.run(main)


def test_bad_arguments_are_told():
    with pytest.raises(ValueError, match="found -1"):
        martlet.channel(-1)
    ch = martlet.channel()
    with pytest.raises(TypeError, match="no argument 'deadline'"):
        ch.receive(deadline=3)
    with pytest.raises(TypeError, match="needs the argument 'value'"):
        ch.send()
    with pytest.raises(ValueError, match="nan"):
        ch.receive(timeout=float("nan"))
    assert "capacity 0" in repr(ch)
