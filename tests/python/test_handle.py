"""Handles: state, join, cancel, names, and errors that nobody joins."""

import gc
import re
import time
import traceback
import weakref

import martlet
import pytest

from conftest import in_both_kinds


async def returns(value):
    return value


def returns_blocking(value):
    return value


async def fails():
    raise LookupError("not here")


def fails_blocking():
    raise LookupError("not here")


def test_join_gives_the_value_in_every_form(workers):
    async def main():
        for kind in (returns, returns_blocking):
            assert await martlet.spawn(kind, 1) == 1
            assert await martlet.spawn(kind, (1, 2)) == (1, 2)
            error = ValueError("as a value")
            assert await martlet.spawn(kind, error) is error
            assert await martlet.spawn(kind, None).ajoin() is None
            assert await martlet.spawn(joins, martlet.spawn(kind, 2)) == 2

    def joins(one):
        return one.join()

    martlet.run(main, workers=workers)


@in_both_kinds(fails, fails_blocking)
def test_join_raises_what_was_raised_with_its_traceback_however_often(program, workers):
    async def main():
        one = martlet.spawn(program)
        lengths = []
        for _ in range(3):
            with pytest.raises(LookupError) as caught:
                await one
            text = "".join(traceback.format_exception(caught.value))
            assert f"in {program.__name__}" in text and 'raise LookupError("not here")' in text
            lengths.append(len(traceback.extract_tb(caught.value.__traceback__)))
        assert len(set(lengths)) == 1
        assert one.state == "failed" and one.done()

    martlet.run(main, workers=workers)


def test_any_number_may_join_the_same_one(workers):
    async def joins(one):
        return await one

    def joins_blocking(one):
        return one.join()

    async def main():
        ch = martlet.channel()
        one = martlet.spawn(ch.receive)
        joining = [martlet.spawn(kind, one) for kind in (joins, joins_blocking) for _ in range(10)]
        await martlet.asleep(0.005)
        await ch.asend("the value")
        for each in joining:
            assert await each == "the value"

    martlet.run(main, workers=workers)


def test_state_tells_what_it_does():
    async def main():
        ch = martlet.channel()
        one = martlet.spawn(ch.receive)
        assert one.state == "queued" and not one.done()
        while ch.balance == 0:
            await martlet.ayield()
        assert one.state == "blocked"
        assert martlet.current().state == "running"
        await ch.asend(1)
        await one
        assert one.state == "done" and one.done()

    martlet.run(main, workers=1)
    assert martlet.current() is None


def test_names_and_places():
    async def main():
        here = martlet.spawn(returns, 1, name="first of all")
        line = re.search(r"line (\d+)", "".join(traceback.format_stack(limit=1))).group(1)
        assert here.name == "first of all"
        assert here.spawned_at == f"{__file__}:{int(line) - 1}"
        assert martlet.spawn(returns_blocking, 1).name == "returns_blocking"
        assert martlet.spawn(returns(1)).name == "returns"
        assert re.fullmatch(r"<martlet.handle 'first of all', \w+, spawned at .*test_handle.py:\d+>", repr(here))
        assert martlet.current().name.endswith("main")

    martlet.run(main)


def test_join_has_a_limit():
    async def main():
        ch = martlet.channel()
        one = martlet.spawn(ch.receive)
        begin = time.monotonic()
        with pytest.raises(martlet.DeadlinePassed):
            await one.ajoin(timeout=0.02)
        assert time.monotonic() - begin >= 0.02

        def joins():
            with pytest.raises(martlet.DeadlinePassed):
                one.join(0.02)
            with pytest.raises(martlet.DeadlinePassed):
                one.join(timeout=0)

        await martlet.spawn(joins)
        await ch.asend(5)
        assert await one.ajoin(timeout=60) == 5

    martlet.run(main)


# ---- cancelling


async def waits_for_ever(ch):
    await ch.areceive()


async def sleeps_for_ever(ch):
    await martlet.asleep(3600)


async def selects_for_ever(ch):
    await martlet.aselect(ch, martlet.asleep(3600), timeout=7200)


async def joins_for_ever(ch):
    await martlet.spawn(waits_for_ever, ch)


async def yields_for_ever(ch):
    while True:
        await martlet.ayield()


async def sends_at_once_for_ever(ch):
    mine = martlet.channel(1)
    while True:
        await mine.asend(1)
        await mine.areceive()


def blocks_for_ever(ch):
    ch.receive(timeout=3600)


def sleeps_blocking(ch):
    martlet.sleep(3600)


def selects_blocking(ch):
    martlet.select(ch.areceive(), martlet.asleep(3600))


def yields_blocking(ch):
    while True:
        martlet.yield_()


def leaves_a_scope(ch):
    with martlet.scope() as inside:
        inside.spawn(waits_for_ever, ch)


async def leaves_an_async_scope(ch):
    async with martlet.scope() as inside:
        inside.spawn(blocks_for_ever, ch)


@pytest.mark.parametrize(
    "program",
    [
        waits_for_ever, sleeps_for_ever, selects_for_ever, joins_for_ever, yields_for_ever, sends_at_once_for_ever,
        blocks_for_ever, sleeps_blocking, selects_blocking, yields_blocking, leaves_a_scope, leaves_an_async_scope,
    ],
)  # fmt: skip
@pytest.mark.parametrize("after", [0, 0.003])
def test_every_wait_is_ended_by_a_cancel(program, after, workers):
    async def main():
        one = martlet.spawn(program, martlet.channel())
        await martlet.asleep(after)
        one.cancel()
        with pytest.raises((martlet.Cancelled, BaseExceptionGroup)) as caught:
            await one.ajoin(timeout=60)
        if isinstance(caught.value, BaseExceptionGroup):
            pytest.fail(f"a cancelled scope raised {caught.value!r}")
        assert one.state == "failed"

    martlet.run(main, workers=workers)


def test_a_cancelled_tasklet_stays_cancelled():
    async def stubborn(ch):
        refusals = 0
        for _ in range(5):
            try:
                await ch.areceive()
            except martlet.Cancelled:
                refusals += 1
        return refusals

    async def main():
        one = martlet.spawn(stubborn, martlet.channel(5))
        await martlet.asleep(0.001)
        one.cancel()
        assert await one == 5

    martlet.run(main)


def test_a_cancel_after_the_end_changes_nothing():
    async def main():
        one = martlet.spawn(returns, 1)
        assert await one == 1
        one.cancel()
        assert await one == 1 and one.state == "done"

    martlet.run(main)


def test_except_exception_does_not_keep_a_tasklet_from_stopping():
    async def careless(ch):
        while True:
            try:
                await ch.areceive()
            except Exception:
                pass

    async def main():
        one = martlet.spawn(careless, martlet.channel())
        await martlet.asleep(0.001)
        one.cancel()
        with pytest.raises(martlet.Cancelled):
            await one

    martlet.run(main)


def test_no_value_is_lost_to_a_cancelled_receiver(workers):
    async def receives(ch, got):
        async for value in ch:
            got.append(value)

    async def main():
        ch, got, sent = martlet.channel(), [], 0
        for _ in range(150):
            receivers = [martlet.spawn(receives, ch, got) for _ in range(3)]
            for _ in range(5):
                try:
                    await ch.asend(sent, timeout=5)
                    sent += 1
                except martlet.DeadlinePassed:
                    pytest.fail("nobody received")
            for one in receivers:
                one.cancel()
            for one in receivers:
                with pytest.raises(martlet.Cancelled):
                    await one
        assert sorted(got) == list(range(sent))

    martlet.run(main, workers=workers)


# ---- errors that nobody joins


@in_both_kinds(fails, fails_blocking)
def test_an_error_that_nobody_can_join_is_reported_with_name_and_place(program, unraised, workers):
    async def main():
        martlet.spawn(program, name="the lost one")
        await martlet.asleep(0.02)

    martlet.run(main, workers=workers)
    gc.collect()
    [(error, where)] = unraised
    assert isinstance(error, LookupError)
    assert re.fullmatch(r"martlet tasklet 'the lost one', spawned at .*test_handle.py:\d+, which nobody joined", where)


def test_an_error_that_was_joined_is_not_reported_nor_is_a_cancel(unraised):
    async def main():
        one = martlet.spawn(fails)
        with pytest.raises(LookupError):
            await one
        other = martlet.spawn(waits_for_ever, martlet.channel())
        await martlet.asleep(0.001)
        other.cancel()
        await martlet.asleep(0.001)

    martlet.run(main)
    gc.collect()
    assert unraised == []


# ---- memory


def test_handles_results_and_arguments_are_freed():
    class thing:
        pass

    async def keeps(value):
        await martlet.ayield()
        return value

    def keeps_blocking(value):
        martlet.yield_()
        return value

    async def main():
        for kind in (keeps, keeps_blocking):
            value = thing()
            seen = weakref.ref(value)
            one = martlet.spawn(kind, value)
            seen_handle = weakref.ref(one)
            del value
            assert await one is seen()
            del one
            await martlet.ayield()
            gc.collect()
            assert seen() is None and seen_handle() is None

    martlet.run(main, workers=1)


def test_a_cycle_through_an_error_is_collected():
    async def cyclic():
        me = martlet.current()  # in the traceback of the error that `me` will have
        raise LookupError(me.name)

    async def main():
        one = martlet.spawn(cyclic)
        with pytest.raises(LookupError):
            await one
        return weakref.ref(one)

    seen = martlet.run(main)
    gc.collect()
    assert seen() is None
