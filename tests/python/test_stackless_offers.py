"""Tasklets that martlet.stackless.spread offers to several threads, and how that is turned on and off."""

import contextvars
import gc
import pickle
import threading
import weakref

import pytest

import martlet
from alone import add, chain, named, refuses, traits
from conftest import needs_parallel
from martlet import stackless
from spreading import busy, count, problem, spread, spread_over  # noqa: F401 (fixtures)

pytestmark = pytest.mark.usefixtures("alone")


# one that is offered


def test_one_that_is_offered_is_run_by_whoever_asks(busy):
    for call in stackless.tasklet.run, stackless.tasklet.switch:
        seen = []
        main = stackless.getcurrent()
        one = stackless.tasklet(lambda: (seen.append(threading.get_ident()), main.insert()))()
        call(one)
        assert seen == [threading.get_ident()] and not one.alive


def test_one_that_is_offered_can_be_killed(busy):
    seen = []
    one = stackless.tasklet(seen.append)(1)
    assert one.kill() is None
    assert not one.alive and not one.scheduled
    one = stackless.tasklet(seen.append)(1)
    one.kill(pending=True)
    assert one.alive
    one = stackless.tasklet(seen.append)(1)
    with pytest.raises(problem):
        one.throw(problem)
    stackless.schedule()
    assert seen == [] and stackless.getruncount() == 1


def test_one_that_is_offered_can_be_removed(busy):
    seen = []
    one = stackless.tasklet(lambda: seen.append(threading.get_ident()))()
    assert one.remove() is one and traits(one) == {"alive", "paused", "restorable"}
    stackless.schedule()
    assert seen == [] and stackless.getruncount() == 1
    assert one.insert() is one and one.scheduled
    stackless.schedule()
    assert seen == [threading.get_ident()]


def test_bind_thread_keeps_a_tasklet_on_a_thread(spread):
    seen = []
    tasks = [stackless.tasklet(lambda: (count(1000), seen.append(threading.get_ident())), ()) for _ in range(50)]
    for one in tasks:
        one.bind_thread()
        one.insert()
    assert len(chain()) == 51 and stackless.getruncount() == 51
    stackless.run()
    assert seen == [threading.get_ident()] * 50


def test_bind_thread_takes_one_that_is_offered(busy):
    one = stackless.tasklet(len)(())
    assert one.bind_thread() is None
    assert chain() == ["main", "?"]
    busy.set()
    stackless.run()
    assert not one.alive


def test_bind_thread_does_not_send_one_that_is_offered_elsewhere(busy):
    other = stackless.tasklet(len)(())
    worker = next(one for one in threading.enumerate() if one.name == "martlet.stackless-2")
    refuses(RuntimeError, "can't (re)bind a runnable tasklet", other.bind_thread, worker.ident)
    other.remove()
    other.bind_thread(worker.ident)
    other.insert()
    assert stackless.getruncount() == 1 and other.thread_id == worker.ident
    busy.set()
    stackless.run()
    assert not other.alive


def test_one_that_is_offered_can_be_pickled_and_not_bound(busy):
    one = stackless.tasklet(len)("abc")
    copy = pickle.loads(pickle.dumps(one))
    assert traits(copy) == {"alive", "paused", "restorable"}
    refuses(RuntimeError, "tasklet is scheduled", one.bind, len)
    refuses(RuntimeError, "tasklet belongs to a different thread", one.set_context, contextvars.Context())
    copy.insert()
    assert stackless.getruncount() == 3
    stackless.schedule()
    stackless.schedule()
    assert not one.alive and not copy.alive


def test_other_threads_may_insert_remove_and_run_one_that_is_offered(busy):
    log = []
    one, other = (stackless.tasklet(log.append, (n,)) for n in (1, 2))

    def elsewhere():
        one.insert()
        other.insert()
        one.remove()
        other.run()

    there = threading.Thread(target=elsewhere)
    there.start()
    there.join()
    assert stackless.getruncount() == 2 and one.paused and one.thread_id == threading.get_ident()
    stackless.schedule()
    assert log == [2] and not other.alive
    one.run()
    assert log == [2, 1]


def test_what_is_offered_is_no_garbage(busy):
    class thing:
        pass

    kept = thing()
    gone = weakref.ref(kept)
    stackless.tasklet(id)(kept)
    del kept
    gc.collect()
    assert gone() is not None
    stackless.schedule()
    assert gone() is None


def test_tasklets_have_contexts_of_their_own(spread):
    variable = contextvars.ContextVar("variable", default=0)
    variable.set(1)
    seen = []

    def changes(n):
        seen.append(variable.get())
        variable.set(n)
        for _ in range(10):
            stackless.schedule()
            seen.append(variable.get() - n + 1)

    for n in range(50):
        stackless.tasklet(changes)(n)
    stackless.run()
    assert seen == [1] * 550 and variable.get() == 1
    variable.set(0)


# turning it on and off


def test_with_one_thread_the_order_is_as_ever():
    with spread_over(2):
        pass
    log = []
    add("abcdef", log)
    threads = set()
    stackless.tasklet(lambda: threads.add(threading.get_ident()))()
    stackless.run()
    assert log == list("abcdef") and threads == {threading.get_ident()}


def test_what_was_bound_before_stays():
    log = []
    add("ab", log)
    one = named("c", log)
    with spread_over(2):
        one.insert()
        assert chain() == ["main", "a", "b", "c"]
        stackless.run()
    assert log == list("abc")


def test_what_is_offered_stays_with_who_turns_it_off():
    started, ends, log = threading.Event(), threading.Event(), []
    stackless.spread(2)
    stackless.tasklet(lambda: (started.set(), ends.wait()))()
    started.wait()
    for letter in "abc":
        stackless.tasklet(log.append)(letter)
    ends.set()
    stackless.spread(1)
    stackless.run()
    assert log == list("abc")


def test_blocked_tasklets_are_killed_where_a_worker_ends():
    ch, seen = stackless.channel(), []

    def waits():
        try:
            ch.receive()
        except TaskletExit:
            seen.append(threading.current_thread().name)
            raise

    with spread_over(3):
        for _ in range(30):
            stackless.tasklet(waits)()
        stackless.run()
        assert ch.balance == -30
    on_workers = [name for name in seen if name.startswith("martlet.stackless-")]
    assert len(seen) == len(on_workers) == 30 + ch.balance
    for _ in range(-ch.balance):
        ch.send(None)
    stackless.schedule()


def test_the_workers_end_when_it_is_turned_off():
    before = threading.active_count(), sorted(stackless.getthreads())
    stackless.spread(4)
    names = {one.name for one in threading.enumerate()}
    assert names >= {"martlet.stackless-2", "martlet.stackless-3", "martlet.stackless-4"}
    for _ in range(100):
        stackless.tasklet(count)(1000)
    stackless.run()
    stackless.spread(1)
    assert (threading.active_count(), sorted(stackless.getthreads())) == before


def test_each_thread_spreads_its_own():
    seen = []

    def elsewhere():
        with spread_over(2):
            for _ in range(20):
                stackless.tasklet(lambda: seen.append(threading.get_ident()))()
            stackless.run()

    with spread_over(2):
        here = set()
        there = threading.Thread(target=elsewhere)
        there.start()
        for _ in range(20):
            stackless.tasklet(lambda: here.add(threading.get_ident()))()
        stackless.run()
        there.join()
    assert len(seen) == 20 and not here & set(seen)


def test_a_thread_may_end_while_it_spreads():
    before = threading.active_count()

    def elsewhere():
        stackless.spread(3)
        stackless.tasklet(stackless.channel().receive)()
        stackless.run()
        tasks.append(stackless.tasklet(len)(()))

    tasks = []
    there = threading.Thread(target=elsewhere)
    there.start()
    there.join()
    for one in threading.enumerate():
        if one.name.startswith("martlet.stackless-"):
            one.join()
    assert threading.active_count() == before
    tasks.clear()


def test_what_is_no_number_of_threads_is_refused():
    for wrong in "2", None, 1.5:
        with pytest.raises(TypeError, match="cannot be interpreted as an integer"):
            stackless.spread(wrong)
    for wrong in 0, -1, 4097, 10**30:
        refuses(ValueError, f"spread: the number of threads is 1 to 4096, not {wrong}", stackless.spread, wrong)
    assert stackless.spread(1) == 1


def test_it_is_refused_inside_of_run_and_in_a_worker():
    inside = "spread: tasklets are running; call it in the main tasklet, outside of run()"
    seen = []
    for count_ in 1, 2:
        with spread_over(count_):
            stackless.tasklet(lambda: refuses(RuntimeError, inside, stackless.spread, 3), ()).run()
    started, ends = threading.Event(), threading.Event()

    def asks():
        started.set()
        try:
            stackless.spread(1)
        except RuntimeError as error:
            seen.append(str(error))
        ends.set()

    with spread_over(2):
        stackless.tasklet(asks)()
        ends.wait()
    assert seen == ["spread: this thread is a worker; call it on the thread that has made it one"]


def test_it_is_refused_in_tasklets_of_martlets_own():
    with pytest.raises(RuntimeError, match="this thread runs tasklets of martlet.run"):
        martlet.run(lambda: stackless.spread(2))


@needs_parallel
def test_tasklets_run_on_several_threads():
    both = threading.Barrier(2)
    with spread_over(2):
        for _ in range(2):
            stackless.tasklet(both.wait)(20)  # each waits for the other one
        stackless.run()
