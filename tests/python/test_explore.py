"""martlet.explore: a search for a schedule with which a program fails."""

import gc
import re

import martlet
import pytest
from simulated import in_a_process, notes_in_both_kinds

pytestmark = pytest.mark.usefixtures("hashes_are_fixed")


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
