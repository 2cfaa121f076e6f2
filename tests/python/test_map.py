"""map and amap: a function of many values, each in a tasklet."""

import martlet
import pytest


def square(n):
    martlet.yield_()
    return n * n


async def asquare(n):
    await martlet.ayield()
    return n * n


@pytest.mark.parametrize("function", [square, asquare])
@pytest.mark.parametrize("limit", [None, 1, 7, 1000])
def test_results_in_order(function, limit, workers):
    expected = [n * n for n in range(50)]

    async def main():
        assert [r async for r in martlet.amap(function, range(50), limit=limit)] == expected
        return await martlet.spawn(lambda: list(martlet.map(function, range(50), limit=limit)))

    assert martlet.run(main, workers=workers) == expected


def test_several_iterables_end_with_the_shortest():
    assert martlet.run(lambda: list(martlet.map(pow, [2, 3, 4], [5, 2]))) == [32, 9]


def test_so_many_at_a_time():
    running, most = [0], [0]

    async def call(n):
        running[0] += 1
        most[0] = max(most[0], running[0])
        await martlet.asleep(0.001)
        running[0] -= 1

    async def main():
        async for _ in martlet.amap(call, range(20), limit=3):
            pass

    martlet.run(main, workers=1)
    assert most == [3]


def test_an_error_ends_it_and_what_is_under_way(unraised):
    stopped = []

    async def call(n):
        if n == 1:
            raise LookupError(n)
        try:
            await martlet.asleep(60 if n > 1 else 0)
        except martlet.Cancelled:
            stopped.append(n)
            raise

    async def main():
        got = []
        with pytest.raises(LookupError):
            async for result in martlet.amap(call, range(4)):
                got.append(result)
        assert got == [None]

    martlet.run(main, workers=1)
    assert sorted(stopped) == [2, 3] and unraised == []


def test_what_nobody_wants_any_more_is_cancelled():
    stopped = []

    async def call(n):
        try:
            await martlet.asleep(60)
        except martlet.Cancelled:
            stopped.append(n)
            raise

    async def main():
        unread = martlet.amap(call, range(2))
        await martlet.ayield()
        del unread
        reading = martlet.spawn(lambda: list(martlet.map(call, range(2, 4))))
        while reading.state != "blocked":
            await martlet.ayield()
        reading.cancel()
        with pytest.raises(martlet.Cancelled):
            await reading
        await martlet.ayield()

    martlet.run(main, workers=1)
    assert sorted(stopped) == [0, 1, 2, 3]


def test_wrong_use_has_a_sentence():
    async def main():
        with pytest.raises(martlet.Misuse, match="await handle.ajoin"):
            list(martlet.map(square, [1]))
        with pytest.raises(ValueError, match="1 or more; found 0"):
            martlet.amap(square, [1], limit=0)

    martlet.run(main)
