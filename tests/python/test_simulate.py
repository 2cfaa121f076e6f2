"""martlet.simulate: a program on one thread, in virtual time, in an order that a seed chooses."""

import re
import sys
import time

import martlet
import pytest
from conftest import in_both_kinds
from simulated import notes_in_both_kinds

pytestmark = pytest.mark.usefixtures("hashes_are_fixed")


# ---- what runs


def test_it_returns_what_main_returned_and_raises_what_it_raised():
    async def add(a, b):
        await martlet.ayield()
        return a + b

    def add_blocking(a, b):
        return martlet.spawn(add, a, b).join()

    async def fails():
        await martlet.asleep(1)
        raise KeyError("lost")

    assert martlet.simulate(add, 1, 2) == 3
    assert martlet.simulate(add(3, 4), seed=7) == 7
    assert martlet.simulate(add_blocking, 5, 6, seed=8) == 11
    with pytest.raises(KeyError, match="lost"):
        martlet.simulate(fails)
    with pytest.raises(SystemExit):
        martlet.simulate(sys.exit, 3)


def test_the_same_seed_gives_the_same_run_and_another_one_another():
    orders, hashes = set(), set()
    for seed in range(50):
        sim = martlet.simulation(seed)
        order = sim.run(notes_in_both_kinds)
        assert sorted(order) == sorted("abcxyz" * 4)
        first = (sim.hash, sim.steps, sim.elapsed, sim.schedule)
        assert sim.run(notes_in_both_kinds) == order
        assert (sim.hash, sim.steps, sim.elapsed, sim.schedule) == first
        assert martlet.simulate(notes_in_both_kinds, seed=seed) == order
        orders.add(order)
        hashes.add(sim.hash)
    assert len(orders) > 45 and len(hashes) == 50


def test_a_schedule_is_run_once_more():
    sim = martlet.simulation(seed=17, strategy="pct", depth=4, expected_steps=40)
    order = sim.run(notes_in_both_kinds)
    again = martlet.simulation(schedule=sim.schedule)
    assert again.run(notes_in_both_kinds) == order
    assert (again.seed, again.hash, again.schedule) == (17, sim.hash, sim.schedule)
    assert martlet.simulate(notes_in_both_kinds, schedule=sim.schedule) == order

    async def changed():
        await martlet.ayield()

    with pytest.raises(martlet.Misuse, match="replay: at step .* is not ready"):
        martlet.simulate(changed, schedule="17: 0=5")
    martlet.simulate(changed, schedule="17: 0=5", strategy="follow")


def test_the_round_needs_no_seed():
    expected = martlet.simulate(notes_in_both_kinds, strategy="round_robin")
    assert expected == "abcxyz" * 4
    assert martlet.simulate(notes_in_both_kinds, seed=9, strategy="round_robin") == expected


async def sleeps():
    await martlet.asleep(86400)


def sleeps_blocking():
    martlet.sleep(86400)


@in_both_kinds(sleeps, sleeps_blocking)
def test_a_day_of_sleep_takes_no_time(program):
    began = time.monotonic()
    sim = martlet.simulation()
    sim.run(program)
    assert time.monotonic() - began < 3600
    assert 86400 <= sim.elapsed < 86401


def test_timers_fire_in_their_order_whatever_the_seed():
    async def wakes(after, order):
        await martlet.asleep(after)
        order.append(after)

    def wakes_function(after, order):
        martlet.sleep(after)
        order.append(after)

    async def main():
        order = []
        async with martlet.scope() as inside:
            for n in (5, 1, 4, 2, 3):
                inside.spawn(wakes if n % 2 else wakes_function, n * 3600, order)
        return order

    for seed in range(20):
        sim = martlet.simulation(seed)
        assert sim.run(main) == [3600, 7200, 10800, 14400, 18000]
        assert 18000 <= sim.elapsed < 18001


def test_limits_are_in_virtual_time():
    async def main():
        ch = martlet.channel()
        with pytest.raises(martlet.DeadlinePassed):
            await ch.areceive(timeout=3600)
        with pytest.raises(martlet.DeadlinePassed):
            await martlet.aselect(ch, timeout=3600)
        case, _ = await martlet.aselect(ch, martlet.asleep(3600))
        assert case == 1

        async def sends():
            await martlet.asleep(1800)
            await ch.asend("in time")

        martlet.spawn(sends)
        assert await ch.areceive(timeout=3600) == "in time"

    sim = martlet.simulation()
    sim.run(main)
    assert 3.5 * 3600 <= sim.elapsed < 3.5 * 3600 + 1


# ---- what it finds


def increments_of_both(number):
    """Runs a counter that two tasklets increment, with a schedule point between the read and the write."""
    balance = 0

    async def deposits():
        nonlocal balance
        before = balance
        await martlet.ayield()
        balance = before + 1

    def deposits_blocking():
        nonlocal balance
        before = balance
        martlet.yield_()
        balance = before + 1

    async def main():
        async with martlet.scope() as inside:
            inside.spawn(deposits)
            inside.spawn(deposits_blocking)
        return balance

    return martlet.simulate(main, seed=number)


def test_a_race_shows_itself_to_some_seeds_and_always_to_the_same():
    results = [increments_of_both(seed) for seed in range(40)]
    assert set(results) == {1, 2}
    assert [increments_of_both(seed) for seed in range(40)] == results


def test_each_operation_of_a_function_is_a_crossroads():
    def steps(ch, order, name):
        for _ in range(3):
            order.append(name)
            ch.send(name)  # there is room: it need not wait

    def main():
        ch, order = martlet.channel(100), []
        with martlet.scope() as inside:
            inside.spawn(steps, ch, order, "a")
            inside.spawn(steps, ch, order, "b")
        return "".join(order)

    assert len({martlet.simulate(main, seed=seed) for seed in range(100)}) > 6


def test_a_deadlock_is_told_with_every_tasklet_and_what_it_waits_for():
    tidied = []

    async def reads(ch):
        try:
            await ch.areceive()
        finally:
            tidied.append("coroutine")

    async def reads_deeper(ch):
        await reads(ch)

    def reads_blocking(ch):
        try:
            return sorted([1], key=lambda _: ch.receive())
        finally:
            tidied.append("function")

    async def joins(other):
        await other

    async def main():
        ch = martlet.channel()
        martlet.spawn(reads_deeper, ch, name="reader")
        blocked = martlet.spawn(reads_blocking, ch)
        martlet.spawn(joins, blocked)
        async with martlet.scope() as inside:
            inside.spawn(martlet.select, ch, martlet.channel())

    with pytest.raises(martlet.Deadlock) as caught:
        martlet.simulate(main, seed=5)
    assert sorted(tidied) == ["coroutine", "function"]
    assert isinstance(caught.value, RuntimeError)
    said = str(caught.value)
    here = re.escape(__file__)
    assert said.startswith("deadlock: nothing can run, no timer is armed, and this is what waits (seed 5, step ")
    assert re.search(rf'tasklet 1 ".*main", spawned at {here}:\d+, waits for .*, in main at {here}:\d+\n', said)
    assert re.search(rf'"reader", spawned at {here}:\d+, waits for channel #1, in reads at {here}:\d+\n', said)
    assert re.search(rf'".*reads_blocking", .* waits for channel #1, in <lambda> at {here}:\d+\n', said)
    number = re.search(r'tasklet (\d+) ".*reads_blocking"', said).group(1)
    assert f"waits for the end of tasklet {number}, in joins at " in said
    assert '"select", spawned at ' in said and "waits for one of several" in said
    assert martlet.simulate(lambda: "and again") == "and again"


def test_a_run_without_an_end_is_ended():
    async def spins():
        while True:
            await martlet.ayield()

    async def main():
        martlet.spawn(spins)
        await martlet.channel().areceive()

    with pytest.raises(martlet.Deadlock, match="the run has no end: it took 1000 turns"):
        martlet.simulate(main, most_steps=1000)


def test_what_is_left_when_main_ends_is_cancelled():
    ended = []

    async def waits():
        try:
            await martlet.asleep(3600)
        except martlet.Cancelled:
            ended.append("cancelled")
            raise

    async def main():
        for _ in range(3):
            martlet.spawn(waits)
        await martlet.asleep(1)

    sim = martlet.simulation()
    sim.run(main)
    assert ended == ["cancelled"] * 3
    assert sim.elapsed < 2


# ---- arguments


def test_what_it_takes():
    refused = [
        (dict(seed=-1), "seed is a number from 0 to 18446744073709551615; found -1"),
        (dict(seed=2**64), "seed is a number"),
        (dict(depth=0), "depth is a number from 1"),
        (dict(expected_steps=0), "expected_steps is a number from 1"),
        (dict(most_steps=0), "most_steps is a number from 1"),
        (dict(strategy="random"), "a strategy is 'uniform', .*; found 'random'"),
        (dict(strategy="replay"), "need a schedule"),
        (dict(schedule="7: 1=2", seed=3), "stands for a seed"),
        (dict(schedule="7: 1=2", strategy="pct"), "stands for a seed"),
        (dict(schedule="seven"), "expected a seed at character 1"),
    ]
    for given, said in refused:
        with pytest.raises(ValueError, match=said):
            martlet.simulation(**given)
        with pytest.raises(ValueError, match=said):
            martlet.simulate(print, **given)
    for wrong in (dict(seed="1"), dict(seed=1.0), dict(strategy=1), dict(sead=1)):
        with pytest.raises(TypeError):
            martlet.simulate(print, **wrong)
    with pytest.raises(TypeError, match="needs a coroutine or a function"):
        martlet.simulate()
    with pytest.raises(TypeError, match="needs a coroutine or a function"):
        martlet.simulation().run()
    fresh = martlet.simulation(seed=2**64 - 1)
    assert (fresh.seed, fresh.hash, fresh.steps, fresh.elapsed) == (2**64 - 1, 0, 0, 0.0)
    assert fresh.schedule == f"{2**64 - 1}:"
