"""martlet.stackless.spread: fresh tasklets run on several threads."""

import sys
import threading

import pytest

from alone import chain, refuses, traits
from martlet import stackless
from spreading import busy, count, problem, spread, spread_over  # noqa: F401 (fixtures)

pytestmark = pytest.mark.usefixtures("alone")


def test_it_returns_how_many_threads_there_were():
    assert [stackless.spread(n) for n in (3, 3, 2, 5, 1, 1, 2, 1)] == [1, 3, 3, 2, 5, 1, 1, 2]


def test_run_waits_for_all(spread):
    done = []

    def works(n):
        count(2000)
        done.append(n)

    for n in range(200):
        stackless.tasklet(works)(n)
    assert stackless.run() is None
    assert sorted(done) == list(range(200))
    assert chain() == ["main"] and stackless.getruncount() == 1


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


def test_a_run_inside_of_a_tasklet_waits_for_all_others(spread):
    wrong = []

    def outer(depth):
        done = []
        tasks = [stackless.tasklet(lambda: (count(1000), done.append(1)))() for _ in range(5)]
        if depth:
            tasks.append(stackless.tasklet(outer)(depth - 1))
        stackless.run()
        if len(done) != 5:
            wrong.append((depth, len(done)))

    for _ in range(4):
        stackless.tasklet(outer)(3)
    stackless.run()
    assert wrong == []


def test_run_may_be_called_again_and_again(spread):
    for n in range(300):
        done = []
        for i in range(n % 5):
            stackless.tasklet(done.append)(i)
        stackless.run()
        assert sorted(done) == list(range(n % 5))


def test_a_started_tasklet_stays_on_its_thread(spread):
    seen = []

    def stays():
        ids = {threading.get_ident()}
        for _ in range(20):
            stackless.schedule()
            ids.add(threading.get_ident())
        seen.append((ids, stackless.getcurrent().thread_id))

    for _ in range(50):
        stackless.tasklet(stays)()
    stackless.run()
    assert len(seen) == 50 and all(ids == {its} for ids, its in seen)


def test_main_waits_by_schedule_for_what_is_offered(busy):
    done = []
    stackless.tasklet(done.append)(1)
    while not done:
        stackless.schedule()
    assert done == [1]


def test_main_waits_by_a_channel_for_what_is_offered(busy):
    ch = stackless.channel()
    stackless.tasklet(ch.send)("value")
    assert ch.receive() == "value"


def test_who_only_yields_does_not_keep_others_from_being_taken(busy):
    done = []

    def polls():
        while not done:
            stackless.schedule()

    for _ in range(3):
        stackless.tasklet(polls)()
    stackless.tasklet(done.append)(1)
    polls()
    assert done == [1]


def test_run_n_tasklets_takes_what_is_offered(busy):
    log = []
    for n in range(3):
        stackless.tasklet(log.append)(n)
    stackless.run_n_tasklets(2)
    assert log == [0, 1]
    stackless.run_n_tasklets(2)
    assert log == [0, 1, 2]


def test_run_with_a_limit_interrupts_what_this_thread_runs(busy):
    done = []

    def endless():
        while not done:
            count(100)

    one = stackless.tasklet(endless)()
    assert stackless.run(2000) is one
    assert traits(one) == {"alive", "paused", "restorable"}
    assert stackless.getruncount() == 1
    done.append(1)
    one.insert()
    busy.set()
    assert stackless.run(1_000_000, totaltimeout=True) is None
    assert not one.alive


def test_a_tasklet_may_have_main_go_on_before_the_others():
    log = []
    main = stackless.getcurrent()
    with spread_over(2):
        one = stackless.tasklet(lambda: (main.insert(), stackless.schedule(), log.append("tasklet")), ())
        one.bind_thread()
        one.insert()
        stackless.run()
        log.append("main")
        stackless.run()
    assert log == ["main", "tasklet"]


def test_the_runnables_are_counted_with_those_that_are_offered(busy):
    tasks = [stackless.tasklet(len)(()) for _ in range(3)]
    assert stackless.getruncount() == stackless.calculateruncount() == stackless.runcount == 4
    assert chain() == ["main"]
    assert [traits(one) for one in tasks] == [{"alive", "scheduled", "restorable"}] * 3
    assert tasks[0].thread_id == threading.get_ident() and tasks[0].next is tasks[1] and tasks[2].next is None
    while stackless.getruncount() > 1:
        stackless.schedule()
    assert not any(one.alive for one in tasks)


# channels


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


@pytest.mark.parametrize("preference", [-1, 0, 1])
def test_the_results_of_many_pairs(spread, preference):
    results = []

    def pair(n):
        requests, answers = stackless.channel(), stackless.channel()
        requests.preference = answers.preference = preference

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


def test_thousands_of_tasklets_pass_values_on():
    senders, each = 1000, 3
    work, sums, results = stackless.QueueChannel(), stackless.channel(), stackless.channel()

    def sends(n):
        for value in range(each):
            work.send(n * each + value)
            stackless.schedule()

    def adds():
        total = 0
        while (value := work.receive()) is not None:
            total += value
        sums.send(total)

    def passes_on():
        results.send(sums.receive())

    with spread_over(4):
        for _ in range(1000):
            stackless.tasklet(adds)()
        for n in range(senders):
            stackless.tasklet(sends)(n)
        for _ in range(1000):
            stackless.tasklet(passes_on)()
        stackless.run()  # all of them wait for values now
        assert len(work) == 0 and work.balance == -1000
        for _ in range(1000):
            work.send(None)
        assert sum(results.receive() for _ in range(1000)) == sum(range(senders * each))
        stackless.run()
        assert work.balance == sums.balance == results.balance == 0


def test_blocked_tasklets_do_not_keep_run_from_returning(spread):
    ch = stackless.channel()
    tasks = [stackless.tasklet(ch.receive)() for _ in range(10)]
    stackless.run()
    assert ch.balance == -10
    assert all(traits(one) == {"alive", "blocked", "scheduled", "restorable"} for one in tasks)
    for _ in range(10):
        ch.send(None)
    stackless.run()
    assert ch.balance == 0 and not any(one.alive for one in tasks)


def test_main_is_not_deadlocked_while_a_worker_can_send(busy):
    ch = stackless.channel()
    ended = []

    def ends_at_once():
        ended.append(1)
        busy.set()  # from now on the worker can take the other one

    sender = stackless.tasklet(lambda: (count(50_000), ch.send("value")), ())
    stackless.tasklet(ends_at_once)()
    sender.insert()
    assert ch.receive() == "value"
    assert ended == [1]


def test_main_gets_the_deadlock_when_all_wait(spread):
    ch = stackless.channel()
    for _ in range(5):
        stackless.tasklet(ch.receive)()
    stackless.run()
    refuses(RuntimeError, "Deadlock: the last runnable tasklet cannot be blocked.", stackless.channel().receive)
    for _ in range(5):
        ch.send(None)
    stackless.run()


# errors


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


def test_each_error_arrives_at_one_run(spread):
    def fails(n):
        raise problem(n)

    for n in range(20):
        stackless.tasklet(fails)(n)
    seen = []
    for _ in range(20):
        with pytest.raises(problem) as caught:
            stackless.run()
        seen.append(caught.value.args[0])
    stackless.run()
    assert sorted(seen) == list(range(20))


@pytest.mark.parametrize("wait", ["receive", "schedule", "run_n_tasklets"])
def test_an_error_on_a_worker_arrives_at_main_however_that_waits(wait):
    started = threading.Event()

    def fails():
        started.set()
        raise problem("text")

    ch = stackless.channel()
    with spread_over(2):
        stackless.tasklet(fails)()
        started.wait()
        with pytest.raises(problem, match="text"):
            while True:
                {"receive": ch.receive, "schedule": stackless.schedule, "run_n_tasklets": lambda: stackless.run_n_tasklets(1)}[wait]()
    assert ch.balance == 0


def test_an_error_on_a_worker_does_not_wait_for_the_tasklets_of_main():
    ends = threading.Event()

    def fails():
        raise problem("text")

    def polls():
        while not ends.is_set():
            stackless.schedule()

    with spread_over(2):
        stays = stackless.tasklet(polls, ())
        stays.bind_thread()
        stays.insert()
        stackless.tasklet(fails)()
        with pytest.raises(problem, match="text"):
            stackless.run()
        assert stays.alive
        ends.set()
        stackless.run()
        assert not stays.alive


def test_an_error_that_nobody_is_told_is_written(unraised):
    started = threading.Event()

    def fails():
        started.set()
        raise problem("text")

    stackless.spread(2)
    stackless.tasklet(fails)()
    started.wait()
    stackless.spread(1)
    assert [(type(error), what) for error, what in unraised] == [(problem, "Error in a tasklet on a worker of martlet.stackless.spread")]


def test_the_error_handler_is_called_on_workers(spread):
    seen = []
    stackless.set_error_handler(lambda type_, value, traceback: seen.append(value.args[0]))

    def fails(n):
        raise problem(n)

    for n in range(20):
        stackless.tasklet(fails)(n)
    stackless.run()
    assert sorted(seen) == list(range(20))
    stackless.set_error_handler(None)


def test_the_schedule_callback_is_called_on_workers(spread):
    seen = []
    stackless.set_schedule_callback(lambda previous, next_: seen.append(next_))
    tasks = [stackless.tasklet(stackless.schedule)() for _ in range(30)]
    stackless.run()
    stackless.set_schedule_callback(None)
    assert all(one in seen for one in tasks)
    seen.clear()


def test_a_system_exit_ends_a_tasklet_on_a_worker_silently():
    started = threading.Event()
    with spread_over(2):
        one = stackless.tasklet(lambda: (started.set(), sys.exit(5)))()
        started.wait()
        stackless.run()
        assert not one.alive
