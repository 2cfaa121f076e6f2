"""Scopes: nothing outlives them, errors arrive together."""

import gc

import martlet
import pytest

from conftest import in_both_kinds


async def naps(log, name, seconds):
    await martlet.asleep(seconds)
    log.append(name)


def naps_blocking(log, name, seconds):
    martlet.sleep(seconds)
    log.append(name)


async def fails(text):
    await martlet.ayield()
    raise ValueError(text)


async def waits(log):
    try:
        await martlet.asleep(3600)
    except martlet.Cancelled:
        log.append("cancelled")
        raise


async def waits_for_all():
    log = []
    async with martlet.scope() as inside:
        inside.spawn(naps, log, "coroutine", 0.01)
        inside.spawn(naps_blocking, log, "function", 0.01)
        inside.spawn(naps(log, "made before", 0.005))
    assert sorted(log) == ["coroutine", "function", "made before"]


def waits_for_all_blocking():
    log = []
    with martlet.scope() as inside:
        inside.spawn(naps, log, "coroutine", 0.01)
        inside.spawn(naps_blocking, log, "function", 0.01)
        inside.spawn(naps(log, "made before", 0.005))
    assert sorted(log) == ["coroutine", "function", "made before"]


@in_both_kinds(waits_for_all, waits_for_all_blocking)
def test_its_end_waits_for_all(program, workers):
    martlet.run(program, workers=workers)


async def first_error():
    log = []
    with pytest.raises(ExceptionGroup) as caught:
        async with martlet.scope() as inside:
            inside.spawn(waits, log)
            inside.spawn(waits, log)
            inside.spawn(fails, "first")
            await martlet.asleep(3600)  # the body is stopped too
    assert [str(error) for error in caught.value.exceptions] == ["first"]
    assert log == ["cancelled", "cancelled"]
    await martlet.asleep(0.001)  # and may go on afterwards


def first_error_blocking():
    log = []
    with pytest.raises(ExceptionGroup) as caught:
        with martlet.scope() as inside:
            inside.spawn(waits, log)
            inside.spawn(waits, log)
            inside.spawn(fails, "first")
            martlet.sleep(3600)
    assert [str(error) for error in caught.value.exceptions] == ["first"]
    assert log == ["cancelled", "cancelled"]
    martlet.sleep(0.001)


@in_both_kinds(first_error, first_error_blocking)
def test_the_first_error_stops_the_others_and_the_body(program, workers):
    martlet.run(program, workers=workers)


def test_all_errors_are_kept_and_reported_once(unraised, workers):
    async def both(gate, text):
        try:
            await gate.areceive()
        finally:
            raise ValueError(text)

    async def main():
        gate = martlet.channel()
        with pytest.raises(ExceptionGroup) as caught:
            async with martlet.scope() as inside:
                for n in range(5):
                    inside.spawn(both, gate, str(n))
                await martlet.asleep(0.001)
                gate.close()
        assert sorted(str(error) for error in caught.value.exceptions) == ["0", "1", "2", "3", "4"]

    martlet.run(main, workers=workers)
    gc.collect()
    assert unraised == []


def test_an_error_of_the_body_stops_the_children_and_goes_on():
    async def main():
        log = []
        with pytest.raises(KeyError):
            async with martlet.scope() as inside:
                inside.spawn(waits, log)
                await martlet.asleep(0.001)
                raise KeyError("body")
        assert log == ["cancelled"]

        with pytest.raises(ExceptionGroup) as caught:
            async with martlet.scope() as inside:
                inside.spawn(fails, "child")
                try:
                    await martlet.asleep(60)
                finally:
                    raise KeyError("body")
        assert [type(error) for error in caught.value.exceptions] == [KeyError, ValueError]

    martlet.run(main)


def test_scopes_nest(workers):
    async def main():
        log = []

        async def parent(name):
            async with martlet.scope() as inner:
                inner.spawn(naps, log, name + "1", 0.003)
                with_function = inner.spawn(blocking_parent, name)
            assert with_function.done()
            log.append(name)

        def blocking_parent(name):
            with martlet.scope() as inner:
                inner.spawn(naps, log, name + "2", 0.002)

        async with martlet.scope() as outer:
            outer.spawn(parent, "a")
            outer.spawn(parent, "b")
        assert sorted(log) == ["a", "a1", "a2", "b", "b1", "b2"]
        assert log.index("a1") < log.index("a") and log.index("b2") < log.index("b")

    martlet.run(main, workers=workers)


def test_an_inner_error_reaches_the_outer_scope_and_both_bodies_go_on_afterwards(workers):
    async def fails(text):
        raise ValueError(text)  # without a wait, in which it could be stopped first

    async def main():
        with pytest.raises(ExceptionGroup) as caught:
            async with martlet.scope() as outer:
                outer.spawn(fails, "outer")
                async with martlet.scope() as inner:
                    inner.spawn(fails, "inner")
                    await martlet.asleep(3600)
        leaves = []

        def collect(error):
            for one in error.exceptions:
                collect(one) if isinstance(one, ExceptionGroup) else leaves.append(str(one))

        collect(caught.value)
        assert sorted(leaves) == ["inner", "outer"]
        await martlet.asleep(0.001)

    martlet.run(main, workers=workers)


def test_a_cancel_from_outside_reaches_the_children_and_stays(workers):
    async def main():
        log = []

        async def parent():
            async with martlet.scope() as inside:
                inside.spawn(waits, log)
                inside.spawn(waits, log)

        one = martlet.spawn(parent)
        await martlet.asleep(0.003)
        one.cancel()
        with pytest.raises(martlet.Cancelled):
            await one
        assert log == ["cancelled", "cancelled"]

    martlet.run(main, workers=workers)


def test_scope_cancel_stops_the_children_only():
    async def main():
        log = []
        async with martlet.scope() as inside:
            inside.spawn(waits, log)
            await martlet.asleep(0.001)
            inside.cancel()
            late = inside.spawn(waits, log)
            await martlet.asleep(0.001)
        assert log == ["cancelled", "cancelled"] and late.done()
        await martlet.asleep(0)

    martlet.run(main)


def test_it_works_on_a_thread_beside_the_run():
    import threading

    async def main():
        log, over = [], martlet.channel()

        def thread():
            with martlet.scope() as inside:
                inside.spawn(naps, log, "a", 0.002)
                inside.spawn(naps_blocking, log, "b", 0.001)
            over.send(sorted(log))

        other = threading.Thread(target=thread)
        other.start()
        assert await over.areceive() == ["a", "b"]
        other.join()

    martlet.run(main, workers=2)


def test_handles_of_its_children_can_be_joined():
    async def main():
        async with martlet.scope() as inside:
            one = inside.spawn(later, 5)
            assert await one == 5
            other = inside.spawn(later, 6, name="six")
        assert await other == 6 and other.name == "six"

    async def later(value):
        await martlet.asleep(0.001)
        return value

    martlet.run(main)


def test_wrong_uses_are_told():
    async def main():
        inside = martlet.scope()
        with pytest.raises(martlet.Misuse, match="not open"):
            inside.spawn(main)
        async with inside:
            pass
        with pytest.raises(martlet.Misuse, match="not open"):
            inside.spawn(main)
        with pytest.raises(martlet.Misuse, match="entered once"):
            async with inside:
                pass
        with pytest.raises(martlet.Misuse, match="async with martlet.scope()"):
            with martlet.scope():
                pass

    martlet.run(main)
    with pytest.raises(martlet.Misuse, match="inside of martlet.run"):
        with martlet.scope():
            pass
    with pytest.raises(TypeError):
        martlet.scope(3)
