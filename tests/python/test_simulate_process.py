"""martlet.simulate: what it asks of its process, and what is beside it there."""

import gc
import sys
import textwrap
import threading
import time
import weakref

import martlet
import pytest
from simulated import in_a_process, notes_in_both_kinds

pytestmark = pytest.mark.usefixtures("hashes_are_fixed")


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
