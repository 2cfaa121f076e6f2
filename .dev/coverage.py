"""Prints what gcovr found by room: lines, branches and functions, and then what is not covered, file by file.

usage: coverage.py COVERAGE.json
"""

import json
import subprocess
import sys
from collections import defaultdict

with open(sys.argv[1]) as file:
    files = json.load(file)["files"]


class Tally:
    """How many of something there are, and how many of those were run."""

    def __init__(self):
        self.run = self.all = 0

    def add(self, run, all_of_them):
        self.run += run
        self.all += all_of_them

    def __str__(self):
        share = 100 * self.run / self.all if self.all else 100.0
        return f"{share:5.1f}% {self.run:6,}/{self.all:6,}"


def spans(numbers):
    """Writes 3 4 5 9 as "3-5, 9"."""
    parts = []
    for number in numbers:
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)


rooms = defaultdict(lambda: (Tally(), Tally(), Tally()))
gaps = []
for one in files:
    name = one["file"]
    lines, branches, functions = rooms[name.split("/")[0]]
    counted = defaultdict(int)  # a line of a template is listed once an instance
    for line in one["lines"]:
        if not line.get("gcovr/noncode"):
            counted[line["line_number"]] += line["count"]
            branches.add(sum(b["count"] > 0 for b in line["branches"]), len(line["branches"]))
    missing = sorted(number for number, count in counted.items() if count == 0)
    lines.add(len(counted) - len(missing), len(counted))
    called = defaultdict(int)  # a constructor, and a function of a template, has several symbols
    names = {}
    for function in one.get("functions", []):
        called[function["lineno"]] += function["execution_count"]
        names[function["lineno"]] = function["name"]
    functions.add(sum(count > 0 for count in called.values()), len(called))
    if missing:
        gaps.append((name, missing, [names[at] for at, count in called.items() if count == 0]))

print(f"{'room':10}  {'lines':21} {'branches':21} functions")
total = (Tally(), Tally(), Tally())
for room, parts in rooms.items():
    print(f"{room:10} ", *parts)
    for sum_of_all, part in zip(total, parts):
        sum_of_all.add(part.run, part.all)
print(f"{'all':10} ", *total)

print("\nNot run by any test, apart from children that end with _exit or a signal, which write no counts:")
for name, missing, functions in sorted(gaps, key=lambda gap: -len(gap[1])):
    print(f"{name}: {len(missing)} lines ({spans(missing)})")
    if functions:
        plain = subprocess.run(["c++filt"], input="\n".join(functions), capture_output=True, text=True).stdout
        for function in plain.splitlines():
            print(f"    {function[:160]}")
