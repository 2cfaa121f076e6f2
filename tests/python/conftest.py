"""What all Python tests share."""

import faulthandler
import gc
import os
import signal
import sys
import sysconfig

import leaks
import pytest
import references
from alone import alone  # noqa: F401 (a fixture)

free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED")) and not sys._is_gil_enabled()
needs_isolated = pytest.mark.skipif(sys.version_info < (3, 14), reason="isolated workers need 3.14")

# How many seconds a test may take before it is taken for hung: its stacks are printed and the process ends.
hung_after = 120
real_stderr = None


def pytest_addoption(parser):
    parser.addoption("--references", action="store_true", help="run each test several times, and fail what leaves more each time")


def pytest_runtest_protocol(item, nextitem):
    return references.run_often(item, nextitem) if item.config.getoption("references") else None


def pytest_configure(config):
    global real_stderr
    real_stderr = os.dup(2)  # what a test prints is captured, and would be lost with the process
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell has started us in the background
        signal.signal(signal.SIGINT, signal.default_int_handler)  # also for the programs that tests start
    config.addinivalue_line(
        "markers", "leaves(*kinds, because): the test leaves something behind on purpose, of the kinds that leaks.py names"
    )


def pytest_collection_finish():
    leaks.make_what_lasts()
    gc.collect()
    gc.freeze()  # what is there now is not looked at after each test


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    if call.when == "call":
        item.has_passed = outcome.get_result().passed


@pytest.fixture(autouse=True)
def watchdog():
    faulthandler.dump_traceback_later(hung_after, exit=True, file=real_stderr)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture(autouse=True)
def nothing_is_left(request, watchdog):
    """Fails a test that leaves something of martlet's alive, or a thread, or a descriptor."""
    before = leaks.Census()
    yield
    if not getattr(request.node, "has_passed", False):
        return  # its traceback keeps what it had
    request.node.funcargs.clear()  # the test is over, and other fixtures are; their values are still here
    if request.instance is not None:
        vars(request.instance).clear()
    marks = list(request.node.iter_markers("leaves"))
    assert all(mark.kwargs["because"] for mark in marks)
    left = leaks.left_since(before, {kind for mark in marks for kind in mark.args})
    if left:
        pytest.fail("this test leaves something behind:\n  " + "\n  ".join(left), pytrace=False)


@pytest.fixture
def unraised(monkeypatch):
    """Collects what goes to sys.unraisablehook: (exception, what it belongs to)."""
    seen = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: seen.append((args.exc_value, args.object)))
    return seen


@pytest.fixture(params=[1, 2, 4])
def workers(request):
    return request.param


def in_both_kinds(coroutine, function):
    """Names the same program written for both kinds of tasklets."""
    return pytest.mark.parametrize("program", [pytest.param(coroutine, id="coroutine"), pytest.param(function, id="function")])


needs_parallel = pytest.mark.skipif(not free_threaded, reason="this interpreter runs Python on one thread at a time")


@pytest.fixture
def hashes_are_fixed(monkeypatch):
    """What is tested inside of this process is the same whatever its hashes are; what needs them has processes of its own."""
    monkeypatch.setenv("PYTHONHASHSEED", "0")
