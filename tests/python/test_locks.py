"""Lock, RLock, Condition, Event, Semaphore, Barrier: what CPython's own tests (test_standard) do not ask."""

import gc
import threading
import weakref

import martlet
import pytest


async def hold(lock, log, name):
    async with lock:
        log.append(f"{name} in")
        await martlet.ayield()
        log.append(f"{name} out")


def hold_blocking(lock, log, name):
    with lock:
        log.append(f"{name} in")
        martlet.yield_()
        log.append(f"{name} out")


@pytest.mark.parametrize("kind", [martlet.Lock, martlet.RLock, martlet.Semaphore, martlet.BoundedSemaphore, martlet.Condition])
def test_one_at_a_time_whatever_they_are(kind, workers):
    async def main():
        lock, log = kind(), []
        async with martlet.scope() as inside:
            for n in range(20):
                inside.spawn(hold if n % 2 else hold_blocking, lock, log, n)
            inside.spawn(martlet.blocking, hold_blocking, lock, log, "thread")
        assert len(log) == 42
        assert all(log[i].split()[0] == log[i + 1].split()[0] for i in range(0, 42, 2)), log

    martlet.run(main, workers=workers)


def test_they_come_in_the_order_of_arrival():
    async def main():
        lock, order = martlet.Lock(), []

        async def wait(n):
            async with lock:
                order.append(n)

        await lock.aacquire()
        waiting = []
        for n in range(10):
            waiting.append(martlet.spawn(wait, n))
            await martlet.ayield()
        lock.release()
        async with lock:  # nobody overtakes
            assert order == list(range(10))

    martlet.run(main, workers=1)


def test_the_twins_tell_what_the_plain_ones_do():
    async def main():
        lock, semaphore, event = martlet.Lock(), martlet.Semaphore(1), martlet.Event()
        for one in (lock, semaphore):
            assert await one.aacquire() is True
            assert await one.aacquire(blocking=False) is False
            assert await one.aacquire(timeout=0.01) is False
            one.release()
            assert one.acquire(blocking=False) is True  # which never waits, and so is allowed here
            assert one.acquire(False) is False
            one.release()
        assert await event.await_(0.01) is False
        martlet.spawn(event.set)
        assert await event.await_() is True
        assert await event.await_(timeout=5) is True

    martlet.run(main)


def test_a_lock_that_was_given_up_can_be_had():
    async def main():
        for kind in (martlet.Lock, martlet.RLock, martlet.Semaphore):
            lock = kind()
            await lock.aacquire()
            late = martlet.spawn(take, lock, 0.001)
            stopped = martlet.spawn(take, lock, None)
            await martlet.ayield()
            stopped.cancel()
            assert await late is False
            with pytest.raises(martlet.Cancelled):
                await stopped
            lock.release()
            assert await lock.aacquire(timeout=5) is True
            lock.release()

    async def take(lock, timeout):
        return await lock.aacquire(timeout=timeout)

    martlet.run(main)


def test_cases_of_a_select():
    async def main():
        lock, event, values = martlet.Lock(), martlet.Event(), martlet.channel()
        assert await martlet.aselect(lock.aacquire(), values) == (0, True)
        assert lock.locked()
        with pytest.raises(martlet.DeadlinePassed):
            await martlet.aselect(lock.aacquire(), event.await_(), timeout=0.001)
        event.set()
        assert await martlet.aselect(lock.aacquire(), event.await_()) == (1, True)
        lock.release()
        assert not lock.locked()

    martlet.run(main)


def test_blocking_names_in_a_coroutine_name_their_twin_where_they_would_wait():
    async def main():
        lock, again, semaphore, event = martlet.Lock(), martlet.RLock(), martlet.Semaphore(), martlet.Event()
        with lock, again, again, semaphore:  # nothing to wait for: libraries do this in coroutines too
            await martlet.spawn(others, lock, again, semaphore)
        with pytest.raises(martlet.Misuse, match="await event.await_"):
            event.wait()
        event.set()
        assert event.wait() is True
        assert not lock.locked() and not again.locked() and semaphore.value == 1

    async def others(lock, again, semaphore):
        for one in (lock, again):
            with pytest.raises(martlet.Misuse, match="await lock.aacquire"):
                one.acquire()
            with pytest.raises(martlet.Misuse, match="'async with' on an? R?Lock"):
                with one:
                    pass
        with pytest.raises(martlet.Misuse, match="await semaphore.aacquire"):
            semaphore.acquire()

    martlet.run(main)


def test_wrong_use_has_a_sentence():
    lock, again = martlet.Lock(), martlet.RLock()
    with pytest.raises(RuntimeError, match="nobody has the lock"):
        lock.release()
    with pytest.raises(RuntimeError, match="does not have the lock"):
        again.release()
    with pytest.raises(ValueError, match="one of 'blocking=False' and 'timeout'"):
        lock.acquire(False, 1)
    with pytest.raises(ValueError, match="0 or more, or -1 for none; found -2"):
        lock.acquire(timeout=-2)
    with pytest.raises(OverflowError, match="TIMEOUT_MAX"):
        lock.acquire(timeout=1e30)
    with pytest.raises(TypeError, match="no argument 'wait'"):
        lock.acquire(wait=1)
    with pytest.raises(TypeError, match="takes no arguments"):
        martlet.Lock(1)
    with pytest.raises(ValueError, match="found -1"):
        martlet.Semaphore(-1)
    with pytest.raises(ValueError, match="1 or more; found 0"):
        martlet.Semaphore(1).release(0)
    with pytest.raises(ValueError, match="2 at most"):
        martlet.BoundedSemaphore(2).release()
    with pytest.raises(RuntimeError, match="does not hold the lock"):
        martlet.Condition().notify()
    with pytest.raises(ValueError, match="found 0"):
        martlet.Barrier(0)
    with pytest.raises(martlet.Misuse, match="cannot be awaited: make it with a martlet.Lock"):
        martlet.Condition(threading.Lock()).await_()


def test_an_rlock_belongs_to_its_tasklet_across_threads(workers):
    async def main():
        lock = martlet.RLock()
        counts = [0]

        async def add():
            for _ in range(50):
                async with lock:
                    async with lock:
                        before = counts[0]
                        await martlet.ayield()
                        counts[0] = before + 1

        def add_blocking():
            for _ in range(50):
                with lock, lock:
                    before = counts[0]
                    martlet.yield_()
                    counts[0] = before + 1

        async with martlet.scope() as inside:
            for what in (add, add_blocking, add, add_blocking):
                inside.spawn(what)
        assert counts == [200]

    martlet.run(main, workers=workers)


# ---- conditions


def test_a_condition_in_both_kinds(workers):
    async def main():
        changed, items, taken = martlet.Condition(), [], []

        async def consume():
            async with changed:
                await changed.await_for(lambda: items)
                taken.append(items.pop())

        def consume_blocking():
            with changed:
                changed.wait_for(lambda: items)
                taken.append(items.pop())

        async with martlet.scope() as inside:
            for n in range(10):
                inside.spawn(consume if n % 2 else consume_blocking)
            for n in range(10):
                async with changed:
                    items.append(n)
                    changed.notify()
        assert sorted(taken) == list(range(10))

    martlet.run(main, workers=workers)


@pytest.mark.parametrize("lock", [martlet.Lock, martlet.RLock])
def test_a_cancelled_wait_holds_the_lock_and_passes_its_notice_on(lock):
    async def main():
        changed, log = martlet.Condition(lock()), []

        async def wait(name):
            async with changed:
                try:
                    await changed.await_()
                    log.append(name)
                finally:
                    assert changed.locked()

        first, second = martlet.spawn(wait, "first"), martlet.spawn(wait, "second")
        await martlet.ayield()
        async with changed:
            changed.notify()  # the first one's
            first.cancel()  # before it has the lock again
        with pytest.raises(martlet.Cancelled):
            while not first.done():
                await martlet.ayield()
            await first
        await second
        assert log == ["second"]
        assert not changed.locked()

    martlet.run(main, workers=1)


def test_no_notice_is_lost_in_any_order(hashes_are_fixed):
    async def main():
        changed, ready = martlet.Condition(), []

        async def wait():
            async with changed:
                await changed.await_for(lambda: ready)
                ready.pop()

        async def give():
            async with changed:
                ready.append(1)
                changed.notify()

        async with martlet.scope() as inside:
            for what in (wait, give, wait, give):
                inside.spawn(what)

    martlet.explore(main, schedules=300)


# ---- barriers


def test_a_barrier_in_both_kinds(workers):
    async def main():
        barrier, numbers = martlet.Barrier(4), []

        async def step():
            for _ in range(10):
                numbers.append(await barrier.await_())

        def step_blocking():
            for _ in range(10):
                numbers.append(barrier.wait())

        async with martlet.scope() as inside:
            for what in (step, step_blocking, step, step_blocking):
                inside.spawn(what)
        assert sorted(numbers) == sorted([0, 1, 2, 3] * 10)
        assert not barrier.broken

    martlet.run(main, workers=workers)


def test_a_cancelled_arrival_is_withdrawn():
    async def main():
        barrier = martlet.Barrier(2)
        first = martlet.spawn(barrier.await_())
        await martlet.ayield()
        first.cancel()
        with pytest.raises(martlet.Cancelled):
            await first
        assert barrier.n_waiting == 0 and not barrier.broken
        second = martlet.spawn(barrier.await_())
        assert {await barrier.await_(), await second} == {0, 1}

    martlet.run(main, workers=1)


def test_a_failing_action_breaks_the_barrier():
    async def main():
        def fail():
            raise LookupError

        barrier = martlet.Barrier(2, fail)
        first = martlet.spawn(barrier.await_())
        await martlet.ayield()
        with pytest.raises(LookupError):
            await barrier.await_()
        with pytest.raises(threading.BrokenBarrierError):
            await first
        with pytest.raises(threading.BrokenBarrierError):
            await barrier.await_()
        assert barrier.n_waiting == 0
        await barrier.areset()
        assert not barrier.broken

    martlet.run(main, workers=1)  # so that the order of arrival is known


# ---- what is left behind


def test_nothing_keeps_them():
    async def main():
        for make in (martlet.Lock, martlet.RLock, martlet.Event, martlet.Semaphore, martlet.BoundedSemaphore, martlet.Condition):
            one = make()
            gone = weakref.ref(one)
            if hasattr(one, "aacquire"):
                async with one:
                    pass
            else:
                one.set()
                await one.await_()
            del one
            gc.collect()
            assert gone() is None, make

    martlet.run(main)
