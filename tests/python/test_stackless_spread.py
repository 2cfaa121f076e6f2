"""martlet.stackless.spread: fresh tasklets run on several threads."""

import threading
import time

import pytest

from alone import add, chain, program
from conftest import needs_parallel
from martlet import stackless

pytestmark = pytest.mark.usefixtures("alone")


class problem(Exception):
    pass


@pytest.fixture(params=[2, 4])
def spread(request):
    stackless.spread(request.param)
    yield request.param
    stackless.spread(1)


def count(to):
    n = 0
    while n < to:
        n += 1
    return n


def test_run_waits_for_all(spread):
    done = []

    def works(n):
        count(2000)
        done.append(n)

    for n in range(200):
        stackless.tasklet(works)(n)
    assert stackless.run() is None
    assert sorted(done) == list(range(200))
    assert chain() == ["main"]


def test_run_waits_for_what_the_others_start(spread):
    done = []

    def starts(n):
        done.append(n)
        if n:
            stackless.tasklet(starts)(n - 1)
            stackless.tasklet(starts)(n - 1)

    stackless.tasklet(starts)(7)
    stackless.run()
    assert len(done) == 2**8 - 1


def test_values_go_through_channels(spread):
    ch, total = stackless.channel(), []

    def sends(first):
        for n in range(first, first + 100):
            ch.send(n)

    def receives():
        got = 0
        for _ in range(500):
            got += ch.receive()
        total.append(got)

    stackless.tasklet(receives)()
    for first in range(0, 500, 100):
        stackless.tasklet(sends)(first)
    stackless.run()
    assert total == [sum(range(500))] and ch.balance == 0


def test_the_results_of_many_pairs(spread):
    results = []

    def pair(n):
        requests, answers = stackless.channel(), stackless.channel()

        def answer():
            for value in requests:
                answers.send(value + n)

        stackless.tasklet(answer)()
        for value in range(20):
            requests.send(value)
            results.append(answers.receive() - value == n)
        requests.send_exception(StopIteration)

    for n in range(50):
        stackless.tasklet(pair)(n)
    stackless.run()
    assert results == [True] * 1000


def test_an_error_arrives_at_run(spread):
    def fails():
        raise problem("text")

    for _ in range(5):
        stackless.tasklet(fails)()
        with pytest.raises(problem, match="text"):
            stackless.run()
    done = []
    stackless.tasklet(done.append)(1)
    stackless.run()
    assert done == [1]


def test_a_started_tasklet_stays_on_its_thread(spread):
    seen = []

    def stays():
        ids = {threading.get_ident()}
        for _ in range(20):
            stackless.schedule()
            ids.add(threading.get_ident())
        seen.append(len(ids))

    for _ in range(50):
        stackless.tasklet(stays)()
    stackless.run()
    assert seen == [1] * 50


def test_blocked_tasklets_do_not_keep_run_from_returning(spread):
    ch = stackless.channel()
    tasks = [stackless.tasklet(ch.receive)() for _ in range(10)]
    stackless.run()
    assert ch.balance == -10
    for _ in range(10):
        ch.send(None)
    stackless.run()
    assert ch.balance == 0 and not any(one.alive for one in tasks)


def test_with_one_worker_the_order_is_as_ever():
    stackless.spread(2)
    stackless.spread(1)
    log = []
    add("abcdef", log)
    threads = set()
    stackless.tasklet(lambda: threads.add(threading.get_ident()))()
    stackless.run()
    assert log == list("abcdef") and threads == {threading.get_ident()}


def test_what_is_no_number_of_workers_is_refused():
    for wrong in "2", None, 1.5:
        with pytest.raises(TypeError):
            stackless.spread(wrong)
    for wrong in 0, -1:
        with pytest.raises(ValueError):
            stackless.spread(wrong)


def test_the_workers_end_when_it_is_turned_off():
    before = threading.active_count(), set(stackless.getthreads())
    stackless.spread(4)
    for _ in range(100):
        stackless.tasklet(count)(1000)
    stackless.run()
    stackless.spread(1)
    end = time.monotonic() + 10
    while (threading.active_count(), set(stackless.getthreads())) != before:
        assert time.monotonic() < end
        time.sleep(0.01)


@needs_parallel
def test_tasklets_run_on_several_threads():
    stackless.spread(2)
    try:
        threads = set()
        for _ in range(200):
            stackless.tasklet(lambda: (count(20_000), threads.add(threading.get_ident())))()
        stackless.run()
    finally:
        stackless.spread(1)
    assert len(threads) == 2


def test_a_process_ends_while_it_spreads():
    out, err = program(
        """
        stackless.spread(3)
        ch = stackless.channel()

        def waits():
            ch.receive()

        for _ in range(20):
            stackless.tasklet(waits)()
        stackless.tasklet(print)("ran")
        stackless.run()
        """
    )
    assert (out, err) == ("ran\n", "")


def test_a_process_forks_while_it_spreads():
    out, err = program(
        """
        import os
        stackless.spread(3)
        for n in range(20):
            stackless.tasklet(len)(())
        stackless.run()
        child = os.fork()
        if child == 0:
            stackless.tasklet(print)("child", flush=True)
            stackless.run()
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
        stackless.tasklet(print)("parent")
        stackless.run()
        """
    )
    assert out == "child\n0\nparent\n", err
