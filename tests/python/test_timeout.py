"""timeout and shield: blocks that are stopped in time, and blocks that are not."""

import martlet
import pytest


async def for_ever():
    await martlet.channel().areceive()


def for_ever_blocking():
    martlet.channel().receive()


def test_a_block_that_takes_too_long_is_stopped():
    async def main():
        with pytest.raises(martlet.DeadlinePassed, match="longer than 0.01 s"):
            async with martlet.timeout(0.01):
                await for_ever()
        await martlet.ayield()  # nothing of it is left

    def main_blocking():
        with pytest.raises(TimeoutError):
            with martlet.timeout(0.01):
                for_ever_blocking()
        martlet.yield_()

    martlet.run(main)
    martlet.run(main_blocking)


def test_one_that_ends_in_time_is_not_touched(hashes_are_fixed):
    async def main():
        began = martlet.now()
        async with martlet.timeout(10):
            await martlet.asleep(1)
        async with martlet.timeout(None):
            await martlet.asleep(100)
        assert 101 <= martlet.now() - began < 102
        assert len(martlet.tasklets()) == 1

    martlet.simulate(main)


def test_its_own_error_comes_out():
    async def main():
        with pytest.raises(LookupError):
            async with martlet.timeout(10):
                raise LookupError
        with pytest.raises(LookupError):
            async with martlet.timeout(0.001):
                try:
                    await for_ever()
                finally:
                    raise LookupError

    martlet.run(main)


def test_the_inner_one_does_not_stop_the_outer():
    async def main():
        async with martlet.timeout(60):
            with pytest.raises(martlet.DeadlinePassed):
                async with martlet.timeout(0.001):
                    await for_ever()
            await martlet.asleep(0.001)
        with pytest.raises(martlet.DeadlinePassed, match="0.001"):
            async with martlet.timeout(0.001):
                async with martlet.timeout(60):
                    await for_ever()

    martlet.run(main)


def test_a_cancel_from_outside_is_no_timeout():
    async def limited():
        async with martlet.timeout(60):
            await for_ever()

    async def main():
        child = martlet.spawn(limited)
        await martlet.ayield()
        child.cancel()
        with pytest.raises(martlet.Cancelled):
            await child

    martlet.run(main)


def test_wrong_use_has_a_sentence():
    async def main():
        with pytest.raises(martlet.Misuse, match="async with martlet.timeout"):
            with martlet.timeout(1):
                pass

    martlet.run(main)
    with pytest.raises(ValueError):
        martlet.timeout("soon")


def test_outside_of_tasklets_it_is_refused():
    with pytest.raises(martlet.Misuse, match="a thread cannot be stopped"):
        with martlet.timeout(1):
            pass


# ---- shields


def test_clean_up_behind_a_shield_may_wait():
    log = []

    async def careful():
        try:
            await for_ever()
        finally:
            with martlet.shield():
                await martlet.asleep(0.001)
                log.append("cleaned up")
            try:
                await martlet.ayield()
            except martlet.Cancelled:
                log.append("still cancelled")

    def careful_blocking():
        try:
            for_ever_blocking()
        finally:
            with martlet.shield(), martlet.shield():
                martlet.sleep(0.001)
                log.append("cleaned up")

    async def main():
        children = [martlet.spawn(careful), martlet.spawn(careful_blocking)]
        await martlet.asleep(0.001)
        for child in children:
            child.cancel()
        for child in children:
            with pytest.raises(martlet.Cancelled):
                await child

    martlet.run(main)
    assert sorted(log) == ["cleaned up", "cleaned up", "still cancelled"]


def test_wrong_use_of_a_shield_has_a_sentence():
    shield = martlet.shield()

    def nest(depth):
        with martlet.shield():
            if depth > 1:
                nest(depth - 1)

    async def main():
        nest(63)
        with pytest.raises(martlet.Misuse, match="behind 63 shields at most"):
            nest(64)
        with pytest.raises(martlet.Misuse, match="the tasklet that entered it"):
            shield.__exit__(None, None, None)
        with shield:
            with pytest.raises(martlet.Misuse, match="once at a time"):
                shield.__enter__()
            await martlet.spawn(other)

    async def other():
        with pytest.raises(martlet.Misuse, match="the tasklet that entered it"):
            shield.__exit__(None, None, None)

    martlet.run(main)
    with shield:  # on a thread it does nothing
        martlet.sleep(0)
    with pytest.raises(TypeError, match="no arguments"):
        martlet.shield(1)
