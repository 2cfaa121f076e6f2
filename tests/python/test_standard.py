"""CPython's own tests of locks and queues, run against martlet's: on threads, and in tasklets."""

import contextlib
import functools
import queue
import sys
import threading
import time
import types
import unittest
import unittest.mock

import martlet
import pytest

missing = "this interpreter came without its own tests (on Debian: libpython3.11-testsuite)"
lock_tests = pytest.importorskip("test.lock_tests", reason=missing)
test_queue = pytest.importorskip("test.test_queue", reason=missing)


class InTasklets:
    """Each test is a function tasklet, and what it takes for threads are others."""

    doubles = {
        "start_new_thread": lambda function, args: martlet.spawn(function, *args),
        "threading": types.SimpleNamespace(**vars(threading) | {"get_ident": lambda: id(martlet.current())}),
        "threading_helper": types.SimpleNamespace(
            threading_setup=tuple, threading_cleanup=lambda: None, wait_threads_exit=contextlib.nullcontext
        ),
    }

    def __init_subclass__(cls):
        for name in unittest.defaultTestLoader.getTestCaseNames(cls):
            setattr(cls, name, cls.in_a_run(getattr(cls, name)))

    @staticmethod
    def in_a_run(test):
        @functools.wraps(test)
        def run(self, *args):
            if martlet.current() is not None:  # called by another test
                return test(self, *args)
            sleep = unittest.mock.patch.object(time, "sleep", martlet.sleep)
            with sleep, unittest.mock.patch.multiple(lock_tests, **InTasklets.doubles):
                martlet.run(test, self, *args)

        return run


def both_ways(cases, **attributes):
    """Makes the test cases for both: a pair of classes."""
    threads = type(cases.__name__, (cases,), attributes)
    return threads, type(cases.__name__, (InTasklets, cases), attributes)


LockOnThreads, LockInTasklets = both_ways(lock_tests.LockTests, locktype=martlet.Lock)
RLockOnThreads, RLockInTasklets = both_ways(lock_tests.RLockTests, locktype=martlet.RLock)
ConditionAsLockOnThreads, ConditionAsLockInTasklets = both_ways(lock_tests.RLockTests, locktype=martlet.Condition)
EventOnThreads, EventInTasklets = both_ways(
    lock_tests.EventTests,
    eventtype=martlet.Event,
    test_at_fork_reinit=None,  # looks at an attribute that only CPython's has
)
ConditionOnThreads, ConditionInTasklets = both_ways(lock_tests.ConditionTests, condtype=martlet.Condition)
SemaphoreOnThreads, SemaphoreInTasklets = both_ways(lock_tests.SemaphoreTests, semtype=martlet.Semaphore)
BoundedOnThreads, BoundedInTasklets = both_ways(lock_tests.BoundedSemaphoreTests, semtype=martlet.BoundedSemaphore)
BarrierOnThreads, BarrierInTasklets = both_ways(lock_tests.BarrierTests, barriertype=martlet.Barrier)


class Queues:
    """What the tests look for in the module `queue`."""

    queue = types.SimpleNamespace(
        **{name: getattr(martlet, name) for name in ("Queue", "LifoQueue", "PriorityQueue", "ShutDown")},
        Empty=queue.Empty,
        Full=queue.Full,
    )


class QueueOnThreads(Queues, test_queue.QueueTest, unittest.TestCase):
    pass


class LifoQueueOnThreads(Queues, test_queue.LifoQueueTest, unittest.TestCase):
    pass


class PriorityQueueOnThreads(Queues, test_queue.PriorityQueueTest, unittest.TestCase):
    pass


class FailingQueueOnThreads(Queues, test_queue.FailingQueueTest, unittest.TestCase):
    pass


# ---- executors

if sys.version_info < (3, 12):
    from test import test_concurrent_futures as base
    from test.test_concurrent_futures import AsCompletedTests, ExecutorTest, WaitTests
else:
    from test.test_concurrent_futures import util as base
    from test.test_concurrent_futures.executor import ExecutorTest
    from test.test_concurrent_futures.test_as_completed import AsCompletedTests
    from test.test_concurrent_futures.test_wait import WaitTests


class Executors(base.ExecutorMixin):
    executor_type = martlet.Executor

    def create_event(self):
        return threading.Event()


class ExecutorOnThreads(Executors, ExecutorTest, base.BaseTestCase):
    # says what ThreadPoolExecutor's sentence says
    test_max_workers_negative = None


class WaitOnThreads(Executors, WaitTests, base.BaseTestCase):
    pass


class AsCompletedOnThreads(Executors, AsCompletedTests, base.BaseTestCase):
    pass
