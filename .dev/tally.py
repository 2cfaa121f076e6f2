"""Counts the test cases in a runner's log and prints `PASSED FAILED SKIPPED`; names the failures on stderr.

Takes `meson LOG...` (the testlog.json of `meson test`) or `junit FILE...` (pytest's XML). A program that fails without saying
which case is one failed case; a log that is not there is one failure.
"""

import json
import re
import sys
import xml.etree.ElementTree as xml

DOCTEST = re.compile(r"^\[doctest\] test cases:\s*(\d+) \|\s*(\d+) passed \|\s*(\d+) failed \|\s*(\d+) skipped", re.M)
COMPLAINT = re.compile(r"^\S.*: (?:FATAL )?ERROR: .*$", re.M)
MOST_SHOWN = 5  # of one program; its whole output stands further up in the log


def of_program(test):
    """Counts the cases of one program that `meson test` ran, as (passed, failed, skipped)."""
    if test["result"] == "SKIP":
        return 0, 0, 1
    ended_well = test["result"] in ("OK", "EXPECTEDFAIL")
    summaries = DOCTEST.findall(test.get("stdout") or "")
    if not summaries:
        return (1, 0, 0) if ended_well else (0, 1, 0)
    ran, passed, failed, skipped = map(int, summaries[-1])
    if ran == 0 and skipped == 0:
        print(f"{test['name']}: holds no test case", file=sys.stderr)
        return 0, 1, 0
    if not ended_well and failed == 0:
        failed = 1
    return passed, failed, skipped


def of_meson(path):
    with open(path, encoding="utf-8", errors="replace") as log:
        for line in log:
            test = json.loads(line)
            counts = of_program(test)
            if counts[1]:
                print(f"failed: {test['name']} ({test['result']}, exit status {test['returncode']})", file=sys.stderr)
                for complaint in COMPLAINT.findall(test.get("stdout") or "")[:MOST_SHOWN]:
                    print(f"failed:   {complaint}", file=sys.stderr)
            yield counts


def of_junit(path):
    for suite in xml.parse(path).getroot().iter("testsuite"):
        total, failures, errors, skipped = (int(suite.get(key, 0)) for key in ("tests", "failures", "errors", "skipped"))
        failed = failures + errors
        for case in suite.iter("testcase"):
            if case.find("failure") is not None or case.find("error") is not None:
                print(f"failed: {case.get('classname')} {case.get('name')}", file=sys.stderr)
        yield max(total - failed - skipped, 0), failed, skipped


def main(kind, *paths):
    read = {"meson": of_meson, "junit": of_junit}[kind]
    total = [0, 0, 0]
    for path in paths:
        try:
            counts = list(read(path))
        except (OSError, ValueError, xml.ParseError) as error:
            print(f"failed: the log {path} could not be read: {error}", file=sys.stderr)
            counts = [(0, 1, 0)]
        total = [sum(column) for column in zip(total, *counts)]
    print(*total)


if __name__ == "__main__":
    main(*sys.argv[1:])
