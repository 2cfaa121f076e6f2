"""blocking: calls that wait without martlet's knowledge."""

import contextvars
import threading
import time

import martlet
import pytest

where = contextvars.ContextVar("where")


def test_two_calls_wait_for_each_other_on_threads_of_their_own():
    async def main():
        a, b = threading.Event(), threading.Event()
        one = martlet.spawn(martlet.blocking, lambda: a.set() or b.wait(60))
        other = await martlet.ablocking(lambda: b.set() or a.wait(60))
        return other and await one

    assert martlet.run(main, workers=1) is True


def test_the_worker_goes_on_meanwhile():
    async def main():
        go_on = threading.Event()
        waiting = martlet.spawn(martlet.blocking, go_on.wait, 60)
        for _ in range(10):
            await martlet.asleep(0.001)
        assert waiting.state == "blocked"
        go_on.set()
        return await waiting

    assert martlet.run(main, workers=1) is True


def test_results_errors_arguments_and_context():
    def fail():
        raise LookupError("lost")

    async def main():
        where.set("in main")
        assert await martlet.ablocking(lambda a, *, b: (a, b, where.get()), 1, b=2) == (1, 2, "in main")
        assert await martlet.ablocking(martlet.current) is None
        with pytest.raises(LookupError, match="lost") as caught:
            await martlet.ablocking(fail)
        assert caught.traceback[-1].name == "fail"
        return await martlet.spawn(martlet.blocking, divmod, 7, 2)

    assert martlet.run(main) == (3, 1)
    assert martlet.blocking(threading.get_ident) == threading.get_ident()  # a plain thread has nobody to wait for


def test_one_that_has_begun_is_waited_for():
    async def main():
        began, go_on = threading.Event(), threading.Event()

        def call():
            began.set()
            go_on.wait(60)
            return "done"

        calling = martlet.spawn(martlet.blocking, call)
        while not began.is_set():
            await martlet.asleep(0.001)
        calling.cancel()
        await martlet.asleep(0.01)
        assert not calling.done()
        go_on.set()
        return await calling

    assert martlet.run(main) == "done"


def test_in_a_simulation_it_is_called_right_there(hashes_are_fixed):
    async def main():
        return await martlet.ablocking(threading.get_ident)

    assert martlet.simulate(main) == threading.get_ident()


def test_wrong_use_has_a_sentence():
    async def main():
        with pytest.raises(TypeError, match="cannot be a case of a select"):
            martlet.aselect(martlet.ablocking(time.sleep, 0))
        with pytest.raises(martlet.Misuse, match="await ablocking"):
            martlet.blocking(time.sleep, 0)

    martlet.run(main)
    with pytest.raises(TypeError, match="needs a function to call; found nothing"):
        martlet.blocking()
    with pytest.raises(TypeError, match="needs a function to call; found int"):
        martlet.ablocking(1)
