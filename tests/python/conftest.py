"""What all Python tests share."""

import faulthandler
import os
import sys
import sysconfig

import pytest

free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED")) and not sys._is_gil_enabled()

# How many seconds a test may take before it is taken for hung: its stacks are printed and the process ends.
hung_after = 120
real_stderr = None


def pytest_configure():
    global real_stderr
    real_stderr = os.dup(2)  # what a test prints is captured, and would be lost with the process


@pytest.fixture(autouse=True)
def watchdog():
    faulthandler.dump_traceback_later(hung_after, exit=True, file=real_stderr)
    yield
    faulthandler.cancel_dump_traceback_later()


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
