"""Isolated workers: tasklets that run in interpreters of their own."""

import array
import gc
import os
import sys
import threading

import isolated_work as work
import martlet
import pytest
from conftest import in_both_kinds, needs_isolated

WORKERS = int(os.environ.get("MARTLET_WORKERS", 0)) or len(os.sched_getaffinity(0))


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="this interpreter has isolated workers")
def test_an_older_interpreter_says_what_it_lacks():
    def main():
        with pytest.raises(martlet.Misuse, match="3.14 or newer"):
            martlet.spawn(work.add, 1, 2, isolated=True)

    martlet.run(main)


def run_isolated(what, *args):
    """Runs it isolated, and returns what it returned."""

    def main():
        return martlet.spawn(what, *args, isolated=True).join()

    return martlet.run(main)


# ---- running


async def both_styles_coroutine():
    assert await martlet.spawn(work.add, 1, 2, isolated=True) == 3
    assert await martlet.spawn(work.add_later, "a", "b", isolated=True) == "ab"


def both_styles_function():
    assert martlet.spawn(work.add, 1, 2, isolated=True).join() == 3
    assert martlet.spawn(work.add_later, "a", "b", isolated=True).join() == "ab"


@needs_isolated
@in_both_kinds(both_styles_coroutine, both_styles_function)
def test_functions_and_coroutine_functions_give_their_result(program):
    martlet.run(program)


@needs_isolated
def test_it_runs_in_another_interpreter_of_which_there_are_few():
    def main():
        handles = [martlet.spawn(work.interpreter, isolated=True) for _ in range(50)]
        return {handle.join() for handle in handles}

    found = martlet.run(main)
    assert 0 not in found and 1 <= len(found) <= max(2, os.cpu_count())


@needs_isolated
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one processor")
@pytest.mark.skipif(WORKERS < 2, reason="of two tasklets that spin until the other one runs each needs a worker")
def test_two_run_at_the_same_time_and_see_the_same_memory():
    def main():
        flags = memoryview(bytearray(2))
        handles = [martlet.spawn(work.spin_beside, flags, n, 1 - n, isolated=True) for n in range(2)]
        return {handle.join() for handle in handles}

    assert len(martlet.run(main)) == 2


@needs_isolated
def test_it_has_the_name_that_it_was_given():
    def main():
        handle = martlet.spawn(work.own_name, isolated=True, name="painter")
        assert handle.name == "painter" and "test_isolated.py" in handle.spawned_at
        assert handle.join() == "painter"
        unnamed = martlet.spawn(work.own_name, isolated=True)
        assert unnamed.name == "own_name" == unnamed.join()

    martlet.run(main)


@needs_isolated
def test_a_scope_owns_isolated_tasklets_too():
    def main():
        with martlet.scope() as s:
            handles = [s.spawn(work.add, n, 1, isolated=True) for n in range(10)]
        return [handle.join() for handle in handles]

    assert martlet.run(main) == list(range(1, 11))


@needs_isolated
@pytest.mark.parametrize("what", [work.spawn_another, work.spawn_beside])
def test_one_may_spawn_others(what):
    def main():
        handles = [martlet.spawn(what, n, isolated=True) for n in range(20)]
        return [handle.join() for handle in handles]

    assert martlet.run(main) == list(range(1, 21))


@needs_isolated
def test_runs_on_several_threads_share_the_workers():
    results = []

    def thread():
        results.append(run_isolated(work.add, 20, 3))

    threads = [threading.Thread(target=thread) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert results == [23] * 4


# ---- channels


@needs_isolated
@pytest.mark.parametrize("what", [work.double, work.double_later])
@pytest.mark.parametrize("capacity", [0, 3])
def test_channels_go_both_ways(what, capacity):
    def feed(numbers):
        for n in range(100):
            numbers.send(n)
        numbers.close()

    def main():
        numbers, doubled = (martlet.channel(capacity, isolated=True) for _ in range(2))
        martlet.spawn(what, numbers, doubled, isolated=True)
        martlet.spawn(feed, numbers)
        return list(doubled)

    assert martlet.run(main) == list(range(0, 200, 2))


@needs_isolated
def test_a_select_and_a_limit_take_isolated_channels():
    def main():
        numbers, doubled = martlet.channel(isolated=True), martlet.channel(isolated=True)
        handle = martlet.spawn(work.double, numbers, doubled, isolated=True)
        with pytest.raises(martlet.DeadlinePassed):
            doubled.receive(timeout=0.01)
        numbers.send(4)
        chosen = martlet.select(martlet.channel(), doubled)
        assert (chosen.case, chosen.value) == (1, 8)
        numbers.close()
        handle.join()

    martlet.run(main)


def test_an_isolated_channel_carries_copies_in_one_interpreter_too():
    def main():
        there = martlet.channel(2, isolated=True)
        assert there.isolated and not martlet.channel().isolated
        assert repr(there) == "<martlet.channel of capacity 2, balance 0, isolated>"
        sent = [1, {"a": (2.5, None, "x", b"y")}]
        there.send(sent)
        assert there.try_send(there) and not there.try_send(1)
        got = there.receive()
        assert got == sent and got is not sent
        twin = there.receive()
        twin.send("over the twin")
        assert there.receive() == "over the twin"
        there.close()
        assert twin.closed and list(twin) == []

    martlet.run(main)


# ---- errors


def remote_text(error):
    return str(error.__cause__)


@needs_isolated
@pytest.mark.parametrize("what", [work.fail, work.fail_later])
def test_an_error_arrives_with_its_traceback(what):
    with pytest.raises(ValueError, match="^too blue$") as caught:
        run_isolated(what, "too blue")
    assert what.__name__ in remote_text(caught.value) and "isolated_work.py" in remote_text(caught.value)


@needs_isolated
def test_an_error_that_cannot_cross_is_told():
    with pytest.raises(TypeError) as caught:
        run_isolated(work.fail_uncopied)
    assert "Uncopied" in str(caught.value) + "".join(getattr(caught.value, "__notes__", []))


@needs_isolated
def test_a_result_that_cannot_cross_is_refused():
    with pytest.raises(martlet.Misuse, match="cannot cross into another interpreter: cannot pickle '_thread.lock' object"):
        run_isolated(work.give_lock)


@needs_isolated
def test_one_that_leaves_the_program_does_not_end_its_worker():
    for _ in range(5):
        with pytest.raises(SystemExit) as caught:
            run_isolated(work.leave)
        assert caught.value.code == 3
    assert run_isolated(work.add, 1, 1) == 2


async def body():
    pass


def generator():
    yield


uncrossable = [
    pytest.param(lambda: None, "lambda", id="lambda"),
    pytest.param(threading.Lock(), "_thread.lock", id="lock"),
    pytest.param(martlet.channel(), "isolated=True", id="channel"),
    pytest.param(martlet.Lock(), "Lock", id="martlet's lock"),
    pytest.param(generator(), "generator", id="generator"),
    pytest.param(memoryview(b"abcdef")[::2], "one piece", id="view with holes"),
    pytest.param(memoryview(array.array("d")), "empty", id="empty view of numbers"),
    pytest.param(memoryview((__import__("ctypes").c_uint32 * 2)()), "native formats", id="view of a foreign format"),
]


@needs_isolated
@pytest.mark.parametrize("what, why", uncrossable)
def test_what_cannot_cross_is_refused_where_it_is_spawned(what, why):
    def main():
        with pytest.raises(martlet.Misuse, match="cannot cross into another interpreter") as caught:
            martlet.spawn(work.add, what, 1, isolated=True)
        assert why in str(caught.value)

    martlet.run(main)


@pytest.mark.parametrize("what, why", uncrossable)
def test_what_cannot_cross_is_refused_by_the_channel(what, why):
    there = martlet.channel(1, isolated=True)
    for send in (there.send, there.asend, there.try_send):
        with pytest.raises(martlet.Misuse, match="cannot cross into another interpreter") as caught:
            send(what)
        assert why in str(caught.value)
    assert there.balance == 0


@needs_isolated
def test_a_coroutine_that_has_been_called_cannot_cross():
    def main():
        coroutine = body()
        with pytest.raises(martlet.Misuse, match="cannot pickle 'coroutine' object"):
            martlet.spawn(coroutine, isolated=True)
        coroutine.close()

    martlet.run(main)


@needs_isolated
def test_a_module_that_is_not_there_is_an_error_of_the_tasklet():
    def main():
        here = type(sys)("only_here")
        exec("def f(): pass", here.__dict__)
        sys.modules["only_here"] = here
        try:
            return martlet.spawn(here.f, isolated=True).join()
        finally:
            del sys.modules["only_here"]

    with pytest.raises(ModuleNotFoundError, match="only_here"):
        martlet.run(main)


def test_a_simulation_refuses(hashes_are_fixed):
    def main():
        with pytest.raises(martlet.Misuse, match="a simulation runs on one thread"):
            martlet.spawn(work.add, 1, 2, isolated=True)

    martlet.simulate(main)


@needs_isolated
def test_a_result_whose_packing_is_left_by_a_cancel_or_an_exit_ends_the_tasklet():
    def main():
        begun = martlet.channel(isolated=True)
        handle = martlet.spawn(work.give_slow, begun, isolated=True)
        begun.receive()
        handle.cancel()
        with pytest.raises(martlet.Cancelled):
            handle.join()

    martlet.run(main)
    with pytest.raises(SystemExit):
        run_isolated(work.give_leaving)
    assert run_isolated(work.add, 1, 1) == 2


@needs_isolated
def test_a_result_whose_unpacking_raises_cancelled_ends_the_tasklet():
    with pytest.raises(martlet.Cancelled, match="made so"):
        run_isolated(work.give_cancelling)


def test_a_value_that_cannot_be_made_is_no_end_of_a_loop():
    there = martlet.channel(2, isolated=True)
    there.send(1)
    there.send(work.Stopping())
    got = []
    with pytest.raises(RuntimeError, match="could not be made: StopIteration"):
        for value in there:
            got.append(value)
    assert got == [1]


@needs_isolated
def test_what_is_no_function_is_refused():
    def main():
        with pytest.raises(TypeError, match="an isolated tasklet runs a function; found int"):
            martlet.spawn(5, isolated=True)

    martlet.run(main)


@needs_isolated
def test_a_name_may_be_of_a_class_that_is_not_there():
    def main():
        class Name(str):
            pass

        return martlet.spawn(work.own_name, isolated=True, name=Name("painter")).join()

    assert martlet.run(main) == "painter"


# ---- cancelling


async def cancel_coroutine():
    begun, cleaned = martlet.channel(isolated=True), martlet.channel(1, isolated=True)
    handle = martlet.spawn(work.wait_until_stopped, begun, cleaned, isolated=True)
    await begun.areceive()
    handle.cancel()
    with pytest.raises(martlet.Cancelled):
        await handle
    assert cleaned.try_receive() == "cleaned"


def cancel_function():
    begun, cleaned = martlet.channel(isolated=True), martlet.channel(1, isolated=True)
    handle = martlet.spawn(work.wait_until_stopped, begun, cleaned, isolated=True)
    begun.receive()
    handle.cancel()
    with pytest.raises(martlet.Cancelled):
        handle.join()
    assert cleaned.try_receive() == "cleaned"


@needs_isolated
@in_both_kinds(cancel_coroutine, cancel_function)
def test_a_cancel_reaches_it_and_waits_for_its_end(program):
    martlet.run(program)


@needs_isolated
def test_the_end_of_a_run_stops_those_that_are_left():
    cleaned = martlet.channel(8, isolated=True)

    def main():
        begun = martlet.channel(isolated=True)
        for _ in range(8):  # more than there are workers: those that wait leave theirs to others
            martlet.spawn(work.wait_until_stopped, begun, cleaned, isolated=True)
        for _ in range(8):
            begun.receive()

    martlet.run(main)
    assert cleaned.balance == 8


# ---- memory


@needs_isolated
def test_a_view_is_read_and_written_where_it_is():
    memory = bytearray(1000)

    def main():
        handle = martlet.spawn(work.fill, memoryview(memory), 7, isolated=True)
        with pytest.raises(BufferError):
            memory.append(1)
        return handle.join()

    assert martlet.run(main) == 7000
    assert memory == b"\7" * 1000
    released_after = 0
    while len(memory) == 1000:  # the other interpreter lets go of it when it has forgotten the call, without any collection
        released_after += 1
        assert released_after < 10
        run_isolated(work.add, 1, 1)
        try:
            memory.append(1)
        except BufferError:
            pass


@needs_isolated
def test_views_keep_their_shape():
    square = memoryview(array.array("d", [1, 2, 3, 4])).cast("B").cast("d", (2, 2))
    assert run_isolated(work.kind_of, square) == ("d", (2, 2), False, [[1, 2], [3, 4]])
    assert run_isolated(work.kind_of, memoryview(b"ab")) == ("B", (2,), True, [97, 98])
    assert run_isolated(work.kind_of, memoryview(array.array("i", [-1]))) == ("i", (1,), False, [-1])


@needs_isolated
def test_a_view_may_come_back():
    view = run_isolated(work.lend, 1_000_000)
    assert view[-1] == ord("x") and len(view) == 1_000_000


def test_a_view_that_was_received_comes_home_without_a_collection():
    gc.disable()
    try:
        memory = bytearray(3)
        there = martlet.channel(1, isolated=True)
        there.send(memoryview(memory))
        view = there.receive()
        with pytest.raises(BufferError):
            memory.append(1)
        del view
        there.send(1)
        memory.append(1)
    finally:
        gc.enable()


def test_a_view_that_nobody_receives_comes_home():
    memory = bytearray(3)
    there = martlet.channel(1, isolated=True)
    there.send(memoryview(memory))
    with pytest.raises(BufferError):
        memory.append(1)
    del there
    gc.collect()
    martlet.channel(1, isolated=True).send(1)  # where buffers that have come home are released
    memory.append(1)


# ---- in bulk


@needs_isolated
def test_maps_and_executors_take_isolated_calls():
    def main():
        assert list(martlet.map(work.add, range(10), range(10), isolated=True)) == list(range(0, 20, 2))
        with martlet.Executor(isolated=True) as executor:
            assert executor.submit(work.add, 1, b=2).result() == 3
            assert executor.submit(work.add_later, 1, 2).result() == 3
            for chunksize in (1, 3):
                for what in (work.add, work.add_later):
                    assert list(executor.map(what, range(10), range(10), chunksize=chunksize)) == list(range(0, 20, 2))
            with pytest.raises(ValueError, match="too blue"):
                list(executor.map(work.fail, ["too blue"], chunksize=2))

    martlet.run(main)


@needs_isolated
def test_an_executor_outside_of_a_run_takes_isolated_calls():
    with martlet.Executor(max_workers=2, isolated=True) as executor:
        assert list(executor.map(work.add, range(30), range(30))) == list(range(0, 60, 2))
