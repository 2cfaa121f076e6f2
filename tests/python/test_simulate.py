"""martlet.simulate: a program on one thread, in virtual time, in an order that a seed chooses."""

import gc
import os
import re
import subprocess
import sys
import textwrap
import threading
import time
import weakref

import martlet
import pytest
from conftest import in_both_kinds


@pytest.fixture(autouse=True)
def hashes_are_fixed(monkeypatch):
    """What is tested inside of this process is the same whatever its hashes are; what needs them has processes of its own."""
    monkeypatch.setenv("PYTHONHASHSEED", "0")


def in_a_process(body, hash_seed="0", *options):
    """Runs a program in a process of its own and returns (what it printed, its exit code)."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONHASHSEED"}
    if hash_seed is not None:
        environment["PYTHONHASHSEED"] = hash_seed
    program = subprocess.run(
        [sys.executable, *options, "-c", textwrap.dedent(body)], env=environment, capture_output=True, text=True, timeout=60
    )
    return program.stdout + program.stderr, program.returncode


# ---- what runs


async def notes(order, name):
    for _ in range(4):
        order.append(name)
        await martlet.ayield()


def notes_blocking(order, name):
    for _ in range(4):
        order.append(name)
        martlet.yield_()


async def notes_in_both_kinds():
    order = []
    async with martlet.scope() as inside:
        for name in "abc":
            inside.spawn(notes, order, name)
        for name in "xyz":
            inside.spawn(notes_blocking, order, name)
    return "".join(order)


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


# ---- what it asks of the process

program = """
    import martlet

    async def player(table, score, name):
        async for ball in table:
            score.append((name, ball))
            if ball == 0:
                table.close()
                return
            await table.asend(ball - 1)

    def clock(out):
        for _ in range(5):
            martlet.sleep(0.001)
            out.try_send("tick")

    async def main():
        table, ticks, score = martlet.channel(), martlet.channel(10), []
        async with martlet.scope() as inside:
            for name in ("ping", "pong", "pang"):
                inside.spawn(player, table, score, name)
            inside.spawn(clock, ticks)
            inside.spawn(table.send, 20)
        return score, ticks.balance, await martlet.aselect(ticks, martlet.asleep(1))

    for seed in (1, 2, 3):
        sim = martlet.simulation(seed)
        print(sim.run(main), sim.hash, sim.steps, sim.elapsed, sim.schedule)
"""


def test_two_processes_run_the_same():
    printed, code = in_a_process(program)
    assert code == 0, printed
    assert in_a_process(program) == (printed, 0)
    assert in_a_process(program, "4711") == (printed, 0)  # no set's order matters in it
    assert in_a_process("import gc; junk = [[i] for i in range(100_000)]" + textwrap.dedent(program)) == (printed, 0)
    assert len(set(printed.splitlines())) == 3


def test_it_is_refused_where_hashes_are_random():
    body = """
        import martlet
        try:
            print(martlet.simulate(lambda: "ran"))
        except martlet.Misuse as error:
            print("refused", error)
        """
    for hash_seed in (None, "random"):
        printed, code = in_a_process(body, hash_seed)
        assert code == 0 and printed.startswith("refused simulate(): ") and "PYTHONHASHSEED=0" in printed, printed
    for hash_seed in ("0", "1"):
        assert in_a_process(body, hash_seed) == ("ran\n", 0)
    without_environment = f"import sys; sys.path[:] = {sys.path}" + textwrap.dedent(body)
    assert in_a_process(without_environment, "1", "-E")[0].startswith("refused simulate(): ")


@pytest.mark.parametrize("was_on", [True, False])
def test_automatic_collection_is_off_meanwhile_and_restored(was_on):
    async def main(outcome):
        on = gc.isenabled()
        gc.enable()  # its own business
        await martlet.ayield()
        if outcome is not None:
            raise outcome
        return on

    async def waits():
        await martlet.channel().areceive()

    before = gc.isenabled()
    (gc.enable if was_on else gc.disable)()
    try:
        assert martlet.simulate(main, None) is False
        assert gc.isenabled() is was_on
        with pytest.raises(ValueError):
            martlet.simulate(main, ValueError())
        assert gc.isenabled() is was_on
        with pytest.raises(martlet.Deadlock):
            martlet.simulate(waits)
        assert gc.isenabled() is was_on
        with pytest.raises(TypeError):
            martlet.simulate(3)
        assert gc.isenabled() is was_on
    finally:
        (gc.enable if before else gc.disable)()


# ---- who is beside it


def test_another_thread_is_refused():
    seen = {}

    def attempt(name, call):
        try:
            seen[name] = call()
        except martlet.Misuse as error:
            seen[name] = str(error)

    async def receives(ch):
        return await ch.areceive()

    async def main():
        waited_for, full = martlet.channel(), martlet.channel(1)
        reader = martlet.spawn(receives, waited_for)
        writer = martlet.spawn(full.send, 1)
        while waited_for.balance == 0 or full.balance == 0:
            await martlet.ayield()
        inside = martlet.scope()
        async with inside:

            def thread():
                attempt("send", lambda: waited_for.send(1))
                attempt("try_send", lambda: waited_for.try_send(1))
                attempt("receive", full.receive)
                attempt("try_receive", full.try_receive)
                attempt("for", lambda: list(full))
                attempt("close", waited_for.close)
                attempt("join", reader.join)
                attempt("cancel", reader.cancel)
                attempt("select", lambda: martlet.select(waited_for))
                attempt("sleep", lambda: martlet.sleep(0))
                attempt("spawn", lambda: martlet.spawn(print))
                attempt("scope", martlet.scope().__enter__)
                attempt("spawn in a scope", lambda: inside.spawn(print))
                attempt("stop a scope", inside.cancel)
                attempt("run", lambda: martlet.run(print))
                attempt("simulate", lambda: martlet.simulate(print))

            other = threading.Thread(target=thread)
            other.start()
            other.join()
        assert full.try_receive() == 1 and waited_for.try_send("from inside")
        await writer
        return await reader

    assert martlet.simulate(main) == "from inside"
    assert len(seen) == 16
    for name, said in seen.items():
        assert "a simulation is under way on another thread" in str(said), (name, said)


def test_a_thread_that_waited_before_is_served():
    ch = martlet.channel()
    got = []
    other = threading.Thread(target=lambda: got.append(ch.receive()))
    other.start()
    while ch.balance != -1:
        time.sleep(0.001)
    martlet.simulate(ch.send, "late")
    other.join()
    assert got == ["late"]


def test_it_waits_for_no_run_of_another_thread():
    go, under_way = threading.Event(), threading.Event()

    def main():
        under_way.set()
        go.wait()

    other = threading.Thread(target=martlet.run, args=(main,))
    other.start()
    under_way.wait()
    try:
        with pytest.raises(martlet.Misuse, match="a run is under way on another thread"):
            martlet.simulate(print)
    finally:
        go.set()
        other.join()
    assert martlet.simulate(lambda: 1) == 1


def test_one_inside_of_another_is_refused():
    def main():
        for call in (martlet.run, martlet.simulate, martlet.simulation().run):
            with pytest.raises(martlet.Misuse, match=r"\(\): this thread runs tasklets already; spawn another one"):
                call(print)
        return "went on"

    assert martlet.simulate(main) == "went on"
    assert martlet.run(main) == "went on"


def test_any_thread_can_run_one():
    results = []

    def thread():
        sim = martlet.simulation(7)
        results.append((sim.run(notes_in_both_kinds), sim.hash))

    for _ in range(2):
        other = threading.Thread(target=thread)
        other.start()
        other.join()
    thread()
    assert len(results) == 3 and len(set(results)) == 1


def test_nothing_of_it_stays_in_memory():
    class thing:
        pass

    things = []

    async def child(value, ch):
        await ch.asend(value)

    def child_blocking(value, ch):
        ch.send(value)

    async def main(ends):
        ch = martlet.channel()
        for spawned in (child, child_blocking) * 5:
            value = thing()
            things.append(weakref.ref(value))
            martlet.spawn(spawned, value, ch)
        for _ in range(6 if ends else 11):  # the 11th is a deadlock
            value = await ch.areceive()
        return value

    for seed in range(20):
        martlet.simulate(main, True, seed=seed)
        with pytest.raises(martlet.Deadlock):
            martlet.simulate(main, False, seed=seed)
    gc.collect()
    assert [one() for one in things] == [None] * len(things)


def test_after_it_everything_is_as_before():
    ch = martlet.channel(1)
    martlet.simulate(ch.send, 1)
    assert ch.receive() == 1
    assert martlet.run(lambda: martlet.spawn(lambda: 42).join()) == 42


@pytest.mark.parametrize("call", ["simulate", "explore"])
def test_ctrl_c_ends_it(call):
    printed, code = in_a_process(f"""
        import _thread, martlet, os, signal

        async def ticks():
            try:
                while True:
                    await martlet.asleep(3600)
            finally:
                print("tidied")

        def ticks_blocking():
            while True:
                martlet.sleep(3600)

        async def main():
            martlet.spawn(ticks)
            martlet.spawn(ticks_blocking)
            await martlet.asleep(86400)
            _thread.start_new_thread(os.kill, (os.getpid(), signal.SIGINT))  # Thread.start may be interrupted within
            await martlet.channel().areceive()

        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            martlet.{call}(main, most_steps=10**9)
        except KeyboardInterrupt:
            print("stopped")
        """)
    assert (printed, code) == ("tidied\nstopped\n", 0)


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


# ---- exploring


async def race():
    balance = 0

    async def deposits(times):
        nonlocal balance
        for _ in range(times):
            before = balance
            await martlet.ayield()
            balance = before + 1

    async with martlet.scope() as inside:
        inside.spawn(deposits, 1)
        inside.spawn(deposits, 1)
        inside.spawn(martlet.yield_)
    assert balance == 2, "a deposit was lost"


def test_exploring_raises_what_a_short_schedule_fails_with_and_says_how_to_see_it_again():
    with pytest.raises(AssertionError, match="a deposit was lost") as caught:
        martlet.explore(race)
    (note,) = caught.value.__notes__
    found = re.fullmatch(
        r"martlet.explore: schedule \d+ failed \(seed \d+, (uniform|pct)\)\. To see it again: "
        r'martlet\.simulate\(main, schedule="([^"]+)"\)  # (\d+) choices?, of \d+ at first',
        note,
    )
    assert found, note
    assert int(found.group(3)) == 1  # the second deposit begins between the first one's halves
    with pytest.raises(AssertionError, match="a deposit was lost"):
        martlet.simulate(race, schedule=found.group(2))


def test_exploring_what_does_not_fail_tells_how_many_schedules_were_tried():
    seen = set()

    async def main():
        seen.add(await notes_in_both_kinds())

    assert martlet.explore(main, schedules=200) == 200
    assert len(seen) > 100


def test_exploring_finds_deadlocks_and_what_has_no_end():
    async def takes(first, second):
        await first.areceive()
        await second.areceive()
        await first.asend(None)
        await second.asend(None)

    async def crosswise():
        a, b = martlet.channel(1), martlet.channel(1)
        await a.asend(None)
        await b.asend(None)
        async with martlet.scope() as inside:
            inside.spawn(takes, a, b)
            inside.spawn(takes, b, a)

    def polls(stop):
        while not stop:
            martlet.yield_()

    with pytest.raises(martlet.Deadlock, match="nothing can run"):
        martlet.explore(crosswise)
    with pytest.raises(martlet.Deadlock, match="the run has no end"):
        martlet.explore(lambda: polls([]), most_steps=100)


def test_exploring_hears_of_errors_that_nobody_joins(unraised):
    async def fails(ch):
        if await ch.areceive() == "b":
            raise KeyError("nobody knows")

    async def main():
        ch = martlet.channel()
        martlet.spawn(fails, ch)
        martlet.spawn(ch.send, "a")
        martlet.spawn(ch.send, "b")
        await martlet.asleep(1)

    with pytest.raises(KeyError, match="nobody knows") as caught:
        martlet.explore(main)
    assert "martlet.explore" in caught.value.__notes__[0]
    gc.collect()
    assert unraised == []


def test_exploring_stops_at_ctrl_c_and_exit():
    runs = []

    def main():
        runs.append(1)
        if len(runs) == 3:
            raise SystemExit(4)

    with pytest.raises(SystemExit):
        martlet.explore(main)
    assert len(runs) == 3


def test_exploring_says_so_when_a_failure_does_not_come_again():
    runs = []

    def main():
        runs.append(1)
        if len(runs) == 5:
            raise ValueError("once only")

    with pytest.raises(martlet.Misuse, match="schedule 5 failed, and when it was run again it did not"):
        martlet.explore(main)


def test_what_exploring_takes():
    async def main():
        pass

    coroutine = main()
    with pytest.raises(TypeError, match="runs main many times, .*; found coroutine"):
        martlet.explore(coroutine)
    coroutine.close()
    with pytest.raises(TypeError, match="needs the argument 'main'"):
        martlet.explore()
    with pytest.raises(ValueError, match="schedules is a number from 1"):
        martlet.explore(main, schedules=0)
    with pytest.raises(TypeError, match="async generator"):
        martlet.explore(notes_generator)
    with pytest.raises(martlet.Misuse, match="runs tasklets already"):
        martlet.run(lambda: martlet.explore(main))
    printed, code = in_a_process("import martlet; martlet.explore(print)", None)
    assert code == 1 and "Misuse: explore(): this process hashes strings" in printed


async def notes_generator():
    yield 1
