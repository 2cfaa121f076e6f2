"""The check that stands around every test finds what is left."""

import os
import threading

import leaks
import martlet
import pytest


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(leaks, "wait_for_the_last", 0)


async def ends():
    pass


def a_handle():
    async def main():
        return martlet.spawn(ends)

    return martlet.run(main)


@pytest.mark.parametrize(
    "make, kind",
    [
        (martlet.channel, "martlet.channel"), (martlet.Lock, "martlet.Lock"), (martlet.Queue, "martlet.Queue"),
        (martlet.amap(ends, []).__anext__, "AsyncResults.__anext__"), (a_handle, "martlet.handle"),
        (a_handle, "1 frames of tasklets more"),
    ],
)  # fmt: skip
def test_objects_are_named(make, kind):
    before = leaks.Census()
    kept = make()
    said = leaks.left_since(before)
    assert any(kind in line for line in said), said
    if hasattr(kept, "close"):
        kept.close()


def test_descriptors_are_counted():
    before = leaks.Census()
    kept = os.dup(0)
    said = leaks.left_since(before)
    os.close(kept)
    assert said == ["1 descriptors more"]


def test_threads_and_runs_are_counted():
    begun, stop = threading.Event(), martlet.Event()

    async def main():
        begun.set()
        await stop.await_()

    before = leaks.Census()
    thread = threading.Thread(target=martlet.run, args=(main,), kwargs={"workers": 1})
    thread.start()
    begun.wait()
    said = leaks.left_since(before)
    stop.set()
    thread.join()
    assert {"1 runs more", "2 threads more"} <= set(said)  # the second is the run's watch


def test_what_is_under_way_is_counted():
    async def main():
        before = leaks.Census()
        waiting = martlet.spawn(lambda: martlet.channel().receive())
        while waiting.state != "blocked":
            await martlet.ayield()
        waiting.add_done_callback(lambda _: None)
        said = leaks.left_since(before)
        waiting.cancel()
        return said

    said = martlet.run(main, workers=1)
    assert {"1 callbacks of handles more", "1 frames of tasklets more", "1 stacks of functions more"} <= set(said)
