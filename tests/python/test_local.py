"""local: attributes of a tasklet's own."""

import gc
import threading
import weakref

import martlet
import pytest


class Thing:
    pass


def test_each_tasklet_has_its_own(workers):
    mine = martlet.local()

    async def main():
        mine.value = "main"

        async def child(n):
            assert not hasattr(mine, "value")
            mine.value = n
            await martlet.ayield()
            assert mine.value == n and vars(mine) == {"value": n}

        def child_blocking(n):
            assert not hasattr(mine, "value")
            mine.value = n
            martlet.yield_()
            assert mine.value == n
            del mine.value
            with pytest.raises(AttributeError, match="'value' in this tasklet"):
                del mine.value

        async with martlet.scope() as inside:
            for n in range(20):
                inside.spawn(child if n % 2 else child_blocking, n)
        assert mine.value == "main"

    mine.value = "thread"
    martlet.run(main, workers=workers)
    assert mine.value == "thread"
    seen = []
    thread = threading.Thread(target=lambda: seen.append(hasattr(mine, "value")))
    thread.start()
    thread.join()
    assert seen == [False]


def test_a_subclass_begins_anew_in_each_tasklet():
    class counted(martlet.local):
        shared = "of the class"

        def __init__(self, first, step=1):
            self.n = first
            self.step = step

        @property
        def twice(self):
            return 2 * self.n

        @twice.setter
        def twice(self, value):
            self.n = value / 2

        def count(self):
            self.n += self.step
            return self.n

    async def main():
        mine = counted(10, step=5)
        assert mine.count() == 15
        assert mine.twice == 30 and mine.shared == "of the class"

        async def child():
            assert mine.count() == 15
            mine.twice = 8
            assert mine.n == 4 and "twice" not in vars(mine)

        await martlet.spawn(child)
        assert mine.n == 15

    martlet.run(main)


def test_an_init_that_fails_is_tried_again():
    failing = []

    class fails(martlet.local):
        def __init__(self):
            if failing:
                raise LookupError(failing.pop())
            self.ready = True

    async def main():
        mine = fails()

        async def child():
            failing.append(1)
            with pytest.raises(LookupError):
                mine.ready
            assert mine.ready

        await martlet.spawn(child)

    martlet.run(main)


def test_values_go_with_the_tasklet_and_with_the_object():
    async def main():
        mine = martlet.local()
        gone = []

        async def child():
            mine.thing = Thing()
            gone.append(weakref.ref(mine.thing))

        await martlet.spawn(child)
        assert gone[0]() is None
        mine.thing = Thing()
        gone.append(weakref.ref(mine.thing))
        del mine
        gc.collect()
        assert gone[1]() is None

    martlet.run(main)


def test_wrong_use_has_a_sentence():
    with pytest.raises(TypeError, match="takes no arguments"):
        martlet.local(1)
    with pytest.raises(AttributeError, match="cannot be replaced"):
        martlet.local().__dict__ = {}
