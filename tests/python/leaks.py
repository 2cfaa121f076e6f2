"""What is alive of martlet's, so that a test can be asked what it leaves behind."""

import gc
import importlib
import os
import pkgutil
import socket
import sys
import time
import types
from collections import Counter

import martlet
from martlet import _martlet, stackless

package = os.path.dirname(martlet.__file__) + os.sep
native_types = {one for module in (_martlet, stackless) for one in vars(module).values() if isinstance(one, type) and "martlet" in one.__module__}
code_of = {
    types.CoroutineType: lambda one: one.cr_code,
    types.GeneratorType: lambda one: one.gi_code,
    types.AsyncGeneratorType: lambda one: one.ag_code,
}
wait_for_the_last = 10  # seconds, for what is on its way out: threads that nobody joins


def is_ours(one):
    """Tells whether an object is of a class of martlet's, or runs its code."""
    kind = type(one)
    if kind in code_of:
        return code_of[kind](one).co_filename.startswith(package)
    module = kind.__dict__.get("__module__")
    return kind in native_types or isinstance(module, str) and module.partition(".")[0] == "martlet"


def count_objects(kind):
    """Counts those of a native type, and other references to it: those too that no collector knows refer to their type.

    Classes that are derived from it do so three times (__base__, __bases__, __mro__), and 3.13t keeps classes for ever.
    """
    return sys.getrefcount(kind) - 3 * len(kind.__subclasses__())


def make_what_lasts():
    """Makes what a process has once and keeps: modules, what looks after the sockets of plain threads, isolated workers."""
    for module in pkgutil.iter_modules(martlet.__path__):
        if module.name.startswith("_"):
            importlib.import_module(f"martlet.{module.name}")
    here, there = socket.socketpair()
    with here, there:
        ready = _martlet.readiness(here.fileno())
        ready.wait(False, 0.001)
        ready.close()
    if sys.version_info >= (3, 14):
        count = int(os.environ.get("MARTLET_WORKERS", 0)) or len(os.sched_getaffinity(0))
        martlet.run(lambda: list(martlet.map(abs, range(count), isolated=True)))
        requests = martlet._isolated._workers.requests
        while requests.balance > -count:  # until all are there
            time.sleep(0.01)


def make_spare_stacks():
    """Lets martlet.stackless have as many stacks of this thread's in reserve as it keeps."""
    if stackless.getruncount() == 1:
        for _ in range(100):
            stackless.tasklet(stackless.schedule)()
        stackless.run()


class Census:
    """What there is at the moment: a count of each kind, and which objects."""

    def __init__(self):
        has_chain = martlet.current() is None  # tasklets of a run have none
        if has_chain:
            make_spare_stacks()
        gc.collect()
        self.counts = Counter(_martlet._census())
        self.counts["runnable tasklets of martlet.stackless"] = stackless.getruncount() if has_chain else 1
        self.counts["threads"] = len(os.listdir("/proc/self/task"))
        self.counts["descriptors"] = len(os.listdir("/proc/self/fd"))
        self.counts.update({f"objects of {one.__module__}.{one.__qualname__}": count_objects(one) for one in native_types})
        self.objects = {id(one) for one in gc.get_objects() if is_ours(one)}


def left_since(before, but=()):
    """Says what there is that was not there before.

    Takes     an earlier census; the kinds that do not matter.
    Returns   a line for each kind, and one for each object; none when nothing was left.
    """
    due = time.monotonic() + wait_for_the_last
    while True:
        now = Census()
        more = now.counts - before.counts
        lines = [f"{count} {kind} more" for kind, count in more.items() if kind not in but]
        if "objects" not in but:
            lines += [f"alive: {one!r:.200}" for one in gc.get_objects() if is_ours(one) and id(one) not in before.objects]
        if not lines or time.monotonic() > due:
            return lines
        time.sleep(0.01)
