"""select: the first of several things, fair, and nothing lost."""

import threading
import time

import martlet
import pytest

from conftest import in_both_kinds


async def fair():
    counts = [0, 0]
    channels = [martlet.channel(1), martlet.channel(1)]
    for ch in channels:
        ch.try_send(None)
    for _ in range(20_000):
        case, _ = await martlet.aselect(*channels)
        counts[case] += 1
        channels[case].try_send(None)
    return counts


def fair_blocking():
    counts = [0, 0]
    channels = [martlet.channel(1), martlet.channel(1)]
    for ch in channels:
        ch.try_send(None)
    for _ in range(20_000):
        case, _ = martlet.select(*channels)
        counts[case] += 1
        channels[case].try_send(None)
    return counts


@in_both_kinds(fair, fair_blocking)
def test_each_of_two_ready_channels_is_chosen_about_half_of_the_time(program):
    counts = martlet.run(program)
    assert sum(counts) == 20_000
    assert all(0.45 < count / 20_000 < 0.55 for count in counts), counts


async def every_case():
    filled, empty, room = martlet.channel(1), martlet.channel(), martlet.channel(1)
    filled.try_send("value")
    one = await martlet.aselect(empty, filled)
    assert one == (1, "value") and (one.case, one.value) == (1, "value")
    match await martlet.aselect(empty.areceive(), room.asend("sent")):
        case (1, None):
            assert room.try_receive() == "sent"
        case other:
            pytest.fail(repr(other))
    child = martlet.spawn(later, 0.002, "joined")
    assert await martlet.aselect(empty, child, empty.asend("nobody")) == (1, "joined")
    assert await martlet.aselect(child.ajoin(), empty) == (0, "joined")
    assert await martlet.aselect(empty, martlet.asleep(0.002), martlet.asleep(60)) == (1, None)
    assert await martlet.aselect(martlet.asleep(0), empty) == (0, None)
    with pytest.raises(martlet.DeadlinePassed):
        await martlet.aselect(empty, timeout=0)
    with pytest.raises(martlet.DeadlinePassed):
        await martlet.aselect(empty, martlet.asleep(60), timeout=0.002)
    martlet.spawn(later_send, empty, "late")
    assert await martlet.aselect(empty, filled, timeout=60) == (0, "late")
    assert empty.balance == filled.balance == 0


def every_case_blocking():
    filled, empty, room = martlet.channel(1), martlet.channel(), martlet.channel(1)
    filled.try_send("value")
    one = martlet.select(empty, filled)
    assert one == (1, "value") and (one.case, one.value) == (1, "value")
    assert martlet.select(empty.areceive(), room.asend("sent")) == (1, None)
    assert room.try_receive() == "sent"
    child = martlet.spawn(later, 0.002, "joined")
    assert martlet.select(empty, child, empty.asend("nobody")) == (1, "joined")
    assert martlet.select(child.ajoin(), empty) == (0, "joined")
    assert martlet.select(empty, martlet.asleep(0.002), martlet.asleep(60)) == (1, None)
    assert martlet.select(martlet.asleep(0), empty) == (0, None)
    with pytest.raises(martlet.DeadlinePassed):
        martlet.select(empty, timeout=0)
    with pytest.raises(martlet.DeadlinePassed):
        martlet.select(empty, martlet.asleep(60), timeout=0.002)
    martlet.spawn(later_send, empty, "late")
    assert martlet.select(empty, filled, timeout=60) == (0, "late")
    assert empty.balance == filled.balance == 0


async def later(seconds, value):
    await martlet.asleep(seconds)
    return value


async def later_send(ch, value):
    await martlet.asleep(0.002)
    await ch.asend(value)


@in_both_kinds(every_case, every_case_blocking)
def test_it_waits_for_channels_sends_handles_and_times(program, workers):
    martlet.run(program, workers=workers)


def test_it_works_on_a_plain_thread():
    a, b = martlet.channel(), martlet.channel()
    with pytest.raises(martlet.DeadlinePassed):
        martlet.select(a, b, timeout=0.01)
    thread = threading.Thread(target=lambda: b.send(5))
    thread.start()
    assert martlet.select(a, b, timeout=60) == (1, 5)
    thread.join()
    assert martlet.select(a, martlet.asleep(0.005)) == (1, None)


def test_it_waits_no_shorter_than_its_time():
    async def main():
        begin = time.monotonic()
        await martlet.aselect(martlet.channel(), martlet.asleep(0.02))
        assert time.monotonic() - begin >= 0.02

    martlet.run(main)


def test_an_exception_tells_which_case_it_comes_from():
    async def fails():
        raise LookupError

    async def main():
        closed, open = martlet.channel(), martlet.channel()
        closed.close()
        with pytest.raises(martlet.ChannelClosed) as caught:
            await martlet.aselect(open, closed)
        assert caught.value.case == 1
        with pytest.raises(martlet.ChannelClosed) as caught:
            await martlet.aselect(closed.asend(1), open)
        assert caught.value.case == 0
        with pytest.raises(LookupError) as caught:
            await martlet.aselect(open, open, martlet.spawn(fails))
        assert caught.value.case == 2

    martlet.run(main)


def test_no_message_is_lost_or_doubled(workers):
    async def selects(channels, stop, got):
        while True:
            case, value = await martlet.aselect(*channels, stop)
            if case == len(channels):
                return
            got.append(value)

    def selects_blocking(channels, stop, got):
        while True:
            try:
                case, value = martlet.select(*channels, stop, timeout=0.0005)
            except martlet.DeadlinePassed:
                continue
            if case == len(channels):
                return
            got.append(value)

    async def sends(channels, out):
        for n in range(200):
            await martlet.aselect(*[ch.asend((out, n)) for ch in channels])

    async def main():
        channels, stop, got = [martlet.channel() for _ in range(3)], martlet.channel(), []
        receivers = [martlet.spawn(kind, channels, stop, got) for kind in (selects, selects_blocking) for _ in range(3)]
        senders = [martlet.spawn(sends, channels, n) for n in range(4)]
        for one in senders:
            await one
        for _ in receivers:
            await stop.asend(None)
        for one in receivers:
            await one
        assert sorted(got) == [(out, n) for out in range(4) for n in range(200)]
        assert all(ch.balance == 0 for ch in channels)

    martlet.run(main, workers=workers)


def test_a_cancelled_select_takes_nothing(workers):
    async def selects(a, b, got):
        while True:
            got.append((await martlet.aselect(a, b)).value)

    async def main():
        a, b, got, sent = martlet.channel(), martlet.channel(), [], 0
        for _ in range(100):
            children = [martlet.spawn(selects, a, b, got) for _ in range(2)]
            for ch in (a, b, a):
                await ch.asend(sent, timeout=60)
                sent += 1
            for one in children:
                one.cancel()
            for one in children:
                with pytest.raises(martlet.Cancelled):
                    await one
        assert sorted(got) == list(range(sent))
        assert a.balance == b.balance == 0

    martlet.run(main, workers=workers)


def test_fifty_cases_and_the_same_channel_twice():
    async def main():
        channels = [martlet.channel() for _ in range(50)]
        both = [channels[7], *channels, channels[7]]
        child = martlet.spawn(later_send, channels[31], "x")
        assert await martlet.aselect(*both, timeout=60) == (32, "x")
        await child

    martlet.run(main)


def test_what_is_no_case_is_told():
    ch = martlet.channel()
    with pytest.raises(TypeError, match="a case of a select is a channel"):
        martlet.select(3)
    with pytest.raises(TypeError, match="would wait for ever"):
        martlet.select()
    with pytest.raises(TypeError, match="give the timeout to the select"):
        martlet.select(ch.areceive(timeout=1))
    with pytest.raises(TypeError, match="cannot be a case"):
        martlet.select(martlet.ayield())
    with pytest.raises(martlet.DeadlinePassed):
        martlet.select(timeout=0.001)
