"""martlet.stackless on several OS threads: a chain for each, channels between them, and what is left when one ends."""

import contextlib
import sys
import threading
import time

import pytest

from alone import add, chain, refuses, traits
from martlet import stackless

pytestmark = pytest.mark.usefixtures("alone")


class problem(Exception):
    pass


class other_thread:
    """A thread that does what it is told, one thing after another, and waits in between outside of martlet.stackless."""

    def __enter__(self):
        self.wanted, self.done = threading.Semaphore(0), threading.Semaphore(0)
        self.call = None
        self.thread = threading.Thread(target=self.loop)
        self.thread.start()
        return self

    def loop(self):
        while True:
            self.wanted.acquire()
            if self.call is None:
                return
            try:
                self.result = self.call()
            except BaseException as error:
                self.result = error
            self.call = None
            self.done.release()

    def do(self, call):
        self.call = call
        self.wanted.release()
        self.done.acquire()
        result, self.result = self.result, None
        return result

    def __exit__(self, *_):
        self.wanted.release()
        self.thread.join()
        self.ident = self.thread.ident


def run_in_thread(call):
    """Runs a function in a thread of its own, and returns what that returns or raises what that raises."""
    with other_thread() as there:
        result = there.do(call)
    if isinstance(result, BaseException):
        raise result
    return result


@contextlib.contextmanager
def soon():
    """Fails when what is inside takes too long, as a wait that nobody ends does (conftest.py ends the process much later)."""
    start = time.monotonic()
    yield
    assert time.monotonic() - start < 20


def wait_until(claim):
    end = time.monotonic() + 20
    while not claim():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_each_thread_has_a_chain_and_a_main_tasklet_of_its_own():
    main = stackless.getcurrent()
    log = []
    add("ab", log)

    def elsewhere():
        mine = stackless.getcurrent()
        assert mine is not main and mine is stackless.getmain() and mine.is_main
        assert mine.thread_id == threading.get_ident()
        assert stackless.getruncount() == 1
        add("x", log)
        stackless.run()
        return mine

    there = run_in_thread(elsewhere)
    assert log == ["x"]
    assert main.is_main and main.is_current and main.thread_id == threading.get_ident()
    assert there.thread_id == -1 and not there.alive
    stackless.run()
    assert log == ["x", "a", "b"]


def test_the_threads_are_those_that_have_python_frames():
    with other_thread() as there:
        assert sorted(stackless.getthreads()) == sorted(sys._current_frames())
        assert there.thread.ident in stackless.getthreads()
        assert sorted(stackless.threads) == sorted(stackless.getthreads())
        assert there.do(stackless.getcurrent).thread_id == there.thread.ident
    assert there.ident not in stackless.getthreads()


def test_the_info_of_another_thread():
    with other_thread() as there:
        assert stackless.get_thread_info(there.thread.ident) == (None, None, 0)  # it has not used the module
        main = there.do(stackless.getcurrent)
        assert stackless.get_thread_info(there.thread.ident) == (main, main, 1)
        one = there.do(lambda: stackless.tasklet(len)(()))
        assert stackless.get_thread_info(there.thread.ident) == (main, main, 2)
        there.do(stackless.run)
        del main, one
    refuses(RuntimeError, "Thread id not found", stackless.get_thread_info, there.ident)


# channels between threads


@pytest.mark.parametrize("preference", [-1, 0, 1])
def test_who_sends_to_another_thread_goes_on(preference):
    ch, log = stackless.channel(), []
    ch.preference = preference

    def receives():
        log.append(ch.receive())
        log.append(threading.get_ident())

    with other_thread() as there:
        there.do(lambda: (stackless.tasklet(receives)(), stackless.run()))
        assert ch.balance == -1
        ch.send("value")
        assert (ch.balance, log) == (0, [])
        assert there.do(stackless.getruncount) == 2
        there.do(stackless.run)
        assert log == ["value", there.thread.ident]


def test_who_receives_from_another_thread_goes_on():
    ch = stackless.channel()
    with other_thread() as there:
        one = there.do(lambda: stackless.tasklet(ch.send)("value"))
        there.do(stackless.run)
        assert one.blocked and ch.receive() == "value"
        assert traits(one) == {"alive", "scheduled", "restorable"}
        there.do(stackless.run)
        assert not one.alive
        del one


def test_main_waits_for_another_thread():
    ch, answers = stackless.channel(), stackless.channel()

    def elsewhere():
        for value in iter(ch.receive, None):
            answers.send(value + 1)

    there = threading.Thread(target=elsewhere)
    with soon():
        there.start()
        for value in range(1000):
            ch.send(value)
            assert answers.receive() == value + 1
        ch.send(None)
        there.join()


def test_errors_go_from_thread_to_thread():
    ch = stackless.channel()
    there = threading.Thread(target=lambda: ch.send_exception(problem, "text"))
    with soon():
        there.start()
        with pytest.raises(problem, match="text"):
            ch.receive()
        there.join()


def test_many_threads_send_to_one():
    ch = stackless.channel()
    threads = [threading.Thread(target=ch.send_sequence, args=(range(n, n + 500),)) for n in range(0, 4000, 500)]
    with soon():
        for one in threads:
            one.start()
        received = [ch.receive() for _ in range(4000)]
        for one in threads:
            one.join()
    assert sorted(received) == list(range(4000))
    assert ch.balance == 0


def test_tasklets_of_many_threads_meet_in_one_channel():
    ch, seen = stackless.channel(), []

    def elsewhere(n):
        tasks = [stackless.tasklet(ch.send)((n, value)) for value in range(50)]
        while any(one.alive for one in tasks):
            stackless.run()
            time.sleep(0.001)

    threads = [threading.Thread(target=elsewhere, args=(n,)) for n in range(4)]
    with soon():
        for one in threads:
            one.start()
        for _ in range(200):
            seen.append(ch.receive())
        for one in threads:
            one.join()
    assert sorted(seen) == [(n, value) for n in range(4) for value in range(50)]


def test_run_with_threadblock_waits_for_other_threads():
    ch, seen = stackless.channel(), []

    def later():
        time.sleep(0.1)
        for value in range(3):
            ch.send(value)

    there = threading.Thread(target=later)

    def receives():
        for _ in range(3):
            seen.append(ch.receive())

    stackless.tasklet(receives)()
    with soon():
        there.start()
        stackless.run(1_000_000, threadblock=True)
        there.join()
    assert seen == [0, 1, 2]


def test_run_without_threadblock_does_not_wait():
    ch = stackless.channel()
    with other_thread():
        one = stackless.tasklet(ch.receive)()
        assert stackless.run() is None
        assert one.blocked
        one.kill()


def test_the_last_thread_that_could_go_on_gets_the_deadlock():
    ch, outcome = stackless.channel(), []

    def elsewhere():
        try:
            outcome.append(ch.receive())
        except RuntimeError as error:
            outcome.append(str(error))

    there = threading.Thread(target=elsewhere)
    with soon():
        there.start()
        wait_until(lambda: ch.balance == -1)
        refuses(RuntimeError, "Deadlock: the last runnable tasklet cannot be blocked.", stackless.channel().receive)
        ch.send("value")
        there.join()
    assert outcome == ["value"]


# tasklets of other threads


def test_insert_and_remove_work_from_other_threads():
    log = []
    with other_thread() as there:
        one = there.do(lambda: stackless.tasklet(log.append)(1))
        assert stackless.getruncount() == 1
        assert one.remove() is one and one.paused
        assert there.do(stackless.getruncount) == 1
        assert one.insert() is one
        assert (stackless.getruncount(), there.do(stackless.getruncount)) == (1, 2)
        there.do(stackless.run)
        assert log == [1]
        del one


def test_run_makes_runnable_right_behind_the_current_one_there():
    log = []
    with other_thread() as there:
        tasks = there.do(lambda: add("abc", log))
        tasks[2].remove()
        assert tasks[2].run() is None
        assert log == []
        there.do(stackless.run)
        assert log == ["c", "a", "b"]
        del tasks


def test_switch_to_another_thread_is_refused():
    with other_thread() as there:
        one = there.do(lambda: stackless.tasklet(len)(()))
        refuses(RuntimeError, "can't switch to a different thread.", one.switch)
        assert chain() == ["main"] and one.scheduled
        there.do(stackless.run)
        del one


@pytest.mark.parametrize("pending", [False, True])
def test_throw_into_another_thread_makes_runnable_there(pending):
    ch, seen = stackless.channel(), []

    def waits():
        try:
            ch.receive()
        except BaseException as error:
            seen.append((type(error), threading.get_ident()))

    with other_thread() as there:
        tasks = there.do(lambda: [stackless.tasklet(waits)() for _ in range(2)])
        there.do(stackless.run)
        assert ch.balance == -2
        tasks[0].throw(problem, pending=pending)
        tasks[1].kill(pending=pending)
        assert (ch.balance, seen) == (0, [])
        there.do(stackless.run)
        assert seen == [(problem, there.thread.ident), (TaskletExit, there.thread.ident)]
        del tasks


def test_an_insert_wakes_a_thread_that_waits_for_something_to_do():
    ch, log = stackless.channel(), []

    def elsewhere():
        one = stackless.tasklet(lambda: (log.append("inserted"), ch.send("value")), ())
        made.append(one)
        log.append(ch.receive())

    made = []
    there = threading.Thread(target=elsewhere)
    with soon():
        there.start()
        wait_until(lambda: ch.balance == -1)
        made[0].insert()
        there.join()
    assert log == ["inserted", "value"]
    made.clear()


def test_a_fresh_tasklet_can_be_bound_to_this_thread():
    seen = []
    with other_thread() as there:
        one = there.do(lambda: stackless.tasklet(lambda: seen.append(threading.get_ident()), ()))
        assert one.thread_id == there.thread.ident
        assert one.bind_thread() is None
        assert one.thread_id == threading.get_ident()
        one.run()
        assert seen == [threading.get_ident()]
        assert one.bind_thread() is None  # it is of this thread
        del one


def test_a_fresh_tasklet_can_be_bound_to_another_thread():
    seen = []
    with other_thread() as there:
        there.do(stackless.getcurrent)
        one = stackless.tasklet(lambda: seen.append(threading.get_ident()), ())
        assert one.bind_thread(there.thread.ident) is None
        assert one.thread_id == there.thread.ident
        one.insert()
        there.do(stackless.run)
        assert seen == [there.thread.ident]
        del one


def test_what_cannot_be_bound_to_a_thread_is_refused():
    with other_thread() as there:
        one = there.do(lambda: stackless.tasklet(len)(()))
        refuses(RuntimeError, "can't (re)bind a runnable tasklet", one.bind_thread)
        there.do(stackless.run)
        nested = there.do(lambda: stackless.tasklet(lambda: list(map(stackless.schedule_remove, [1])))())
        there.do(stackless.run)
        refuses(RuntimeError, "tasklet has C state on its stack", nested.bind_thread)
        there.do(nested.kill)
        one = stackless.tasklet(len, ((),))
        refuses(ValueError, "bad thread", one.bind_thread, 12345)
        for wrong in "1", 1.5, None:
            with pytest.raises(TypeError):
                one.bind_thread(wrong)
        one.run()
        del one, nested



def test_a_channel_is_looked_at_and_changed_while_threads_use_it():
    ch, rounds, got, wrong = stackless.channel(), 200, [], []
    ids, is_over = {threading.get_ident(), -1}, threading.Event()
    may_be = {"alive", "blocked", "is_current", "is_main", "paused", "restorable", "scheduled"}

    def insists(call, *args):
        while True:
            try:
                return call(*args)
            except ValueError:  # it is closed just now
                pass

    def receives():
        ids.add(threading.get_ident())
        for _ in range(rounds):
            got.append(insists(ch.receive))

    def looks():
        while not is_over.is_set():
            for number in -1, 0, 1:
                ch.preference, ch.schedule_all = number, number
                ch.close()
                waits = ch.queue
                seen = ch.closing, ch.closed in (True, False), ch.balance in (-1, 0, 1), ch.preference, ch.schedule_all
                if seen != (True, True, True, number, abs(number)):
                    wrong.append(seen)
                if waits is not None and (waits.thread_id not in ids or traits(waits) - may_be):
                    wrong.append(waits)
                ch.open()

    threads = [threading.Thread(target=call) for call in (receives, looks)]
    for one in threads:
        one.start()
    for n in range(rounds):
        insists(ch.send, n)
    is_over.set()
    for one in threads:
        one.join()
    assert got == list(range(rounds)) and wrong == []
    assert ch.balance == 0 and not ch.closing


# the end of a thread


def test_a_dead_threads_tasklets_have_no_thread():
    tasks = run_in_thread(
        lambda: [stackless.tasklet(len), stackless.tasklet(len, ((),)), stackless.tasklet(len)(()), stackless.getcurrent()]
    )
    for one in tasks:
        assert one.thread_id == -1
        assert not traits(one) - {"restorable"}
        assert (one.next, one.prev, one.frame) == (None, None, None)


def test_a_dead_threads_tasklet_refuses_to_run():
    one = run_in_thread(lambda: stackless.tasklet(len, ((),)))
    for call in one.run, one.switch:
        refuses(RuntimeError, "tasklet has no thread", call)
    refuses(RuntimeError, "Target thread isn't initialized", one.insert)
    refuses(RuntimeError, "tasklet has no thread", one.throw, problem)
    refuses(RuntimeError, "tasklet has no thread", one.raise_exception, problem)
    assert one.remove() is one
    assert one.kill() is None
    assert one.bind(len) is one
    refuses(RuntimeError, "tasklet has no thread", one.setup, ())
    refuses(RuntimeError, "tasklet has no thread", one.bind, len, ((),))
    assert one.bind(None) is one
    assert one.set_atomic(one.set_atomic(True)) is True and one.set_ignore_nesting(False) is False
    assert one.trace_function is None and one.profile_function is None
    assert one.thread_id == -1


def test_a_tasklet_of_a_dead_thread_can_be_bound_to_this_one():
    seen = []
    one = run_in_thread(lambda: stackless.tasklet(seen.append, (1,)))
    one.bind_thread()
    assert one.thread_id == threading.get_ident() and one.alive
    one.bind(seen.append, (2,))
    one.run()
    assert seen == [2]


def test_started_tasklets_are_killed_when_their_thread_ends():
    ch, seen = stackless.channel(), []

    def waits(what):
        try:
            what()
        except BaseException as error:
            seen.append((type(error), threading.get_ident()))
            raise

    def elsewhere():
        tasks = [stackless.tasklet(waits)(what) for what in (ch.receive, stackless.schedule_remove, stackless.schedule)]
        stackless.schedule()
        return tasks

    with other_thread() as there:
        tasks = there.do(elsewhere)
        assert ch.balance == -1 and all(one.alive for one in tasks)
    assert seen == [(TaskletExit, there.ident)] * 3
    assert ch.balance == 0
    assert [(one.alive, one.thread_id) for one in tasks] == [(False, -1)] * 3


def test_a_tasklet_that_survives_the_end_of_its_thread_stays_dead():
    ch, seen = stackless.channel(), []

    def stubborn():
        for _ in range(3):
            try:
                ch.receive()
            except TaskletExit:
                seen.append("no")

    def elsewhere():
        one = stackless.tasklet(stubborn)()
        stackless.run()
        return one

    one = run_in_thread(elsewhere)
    assert seen[0] == "no"
    assert (one.alive, one.thread_id) == (False, -1)
    assert not one.scheduled and ch.balance == 0


def test_unstarted_tasklets_of_a_dead_thread_are_dropped():
    import weakref

    class thing:
        pass

    held = thing()
    gone = weakref.ref(held)
    run_in_thread(lambda: stackless.tasklet(len)(held))
    del held
    assert gone() is None


def test_a_value_sent_to_a_thread_that_has_ended_waits_for_another_receiver():
    ch = stackless.channel()

    def elsewhere():
        stackless.tasklet(ch.receive)()
        stackless.run()
        assert ch.balance == -1

    run_in_thread(elsewhere)
    assert ch.balance == 0
    refuses(RuntimeError, "Deadlock: the last runnable tasklet cannot be blocked.", ch.send, 1)


def test_a_system_exit_ends_a_tasklet_silently_on_other_threads():
    seen = []

    def elsewhere():
        one = stackless.tasklet(sys.exit)(5)
        stackless.run()
        seen.append(one.alive)

    run_in_thread(elsewhere)
    assert seen == [False]


def test_threads_come_and_go():
    def elsewhere():
        ch = stackless.channel()
        stackless.tasklet(ch.receive)()
        stackless.tasklet(stackless.schedule_remove)()
        stackless.run()

    for _ in range(50):
        threads = [threading.Thread(target=elsewhere) for _ in range(4)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
