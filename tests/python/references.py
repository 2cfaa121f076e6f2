"""`pytest --references`: each test runs several times, and may not leave more references each time.

A reference too many to what a test sent, returned or raised keeps what belongs to nobody of martlet's, so only totals show it:
of all references where the interpreter counts them (a debug build), else of the blocks of memory that are in use.
"""

import gc
import sys

from _pytest.runner import runtestprotocol

to_fill_caches, rounds = 2, 3
count = getattr(sys, "gettotalrefcount", sys.getallocatedblocks)
clear_caches = getattr(sys, "_clear_internal_caches", None) or sys._clear_type_cache


def total():
    clear_caches()
    gc.collect()
    return count()


def run_often(item, nextitem):
    """Runs a test in pytest's place, and reports the first time. Returns True: there is no more to do."""
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    reports, more = _run(item, nextitem)
    if min(more, default=0) > 0:
        reports[-1].outcome = "failed"
        reports[-1].longrepr = f"each time that this test runs it leaves {more} more: of sys.{count.__name__}()"
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def _run(item, nextitem):
    """Returns the reports of the first time, or of one that failed, and by how much the total grew each time."""
    kept, more = None, []
    ends = [definition._finalizers for several in item._fixtureinfo.name2fixturedefs.values() for definition in several]
    for left in reversed(range(to_fill_caches + rounds + 1)):  # the last one does not count: what several tests use ends with it
        before = total()
        item._initrequest()
        reports = runtestprotocol(item, log=False, nextitem=item.parent if left else nextitem)
        item._report_sections.clear()  # what it printed
        if not all(report.passed for report in reports):
            item.session._setupstate.teardown_exact(nextitem)  # this time was the last
            return reports, []
        if not kept:
            kept, lengths = reports, [len(one) for one in ends]
        elif left:
            for one, length in zip(ends, lengths):
                del one[length:]  # a fixture of the whole session remembers every use
        del reports
        grown = total() - before  # not inside of the call below, which has references of its own
        more.append(grown)
    return kept, more[to_fill_caches:-1]
