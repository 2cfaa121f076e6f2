"""Compares what the benchmarks measure with the limits that martlet promises.

    check.py BUILD/bench      the folder with the programs of a release build

Prints a table and writes build/bench/check.json; exits with 1 when a limit does not hold.

How noise is damped: all programs run in turn, round after round, in three blocks of five rounds. A block's figure is
its median, and the lowest of the three medians is the value, so that a disturbance which lasts for less than a block
or two does not decide. A ratio is taken within a round, between neighbours in time, and then treated alike. The spread
is that of all single rounds. What takes seconds (memory, idling) runs once a block, and its value is the median.
What one worker takes is a multiple of what a bare child takes in the same round, a coroutine and two turns through a
queue without any scheduler (bare_bench.cpp): processors differ by more than limits may, and so do their moods.
"""

import dataclasses
import json
import pathlib
import re
import statistics
import subprocess
import sys

import machine

BLOCKS = 3
ROUNDS = 5
QUIET = 0.05  # the share of the machine that others may use without being blamed


@dataclasses.dataclass(frozen=True)
class Case:
    """One benchmark of one program, by name and by what is read of it."""

    program: str
    name: str
    field: str = "real_time"


@dataclasses.dataclass
class Limit:
    """A promise: a figure, or its ratio to another one, and what it may be at most."""

    title: str
    unit: str
    most: float
    case: Case
    over: Case | None = None
    slow: bool = False  # takes seconds: once a block


@dataclasses.dataclass
class Finding:
    """What became of one promise."""

    title: str
    unit: str
    value: float
    bound: str
    low: float
    high: float
    holds: bool


def timed(program, name):
    return Case(program, f"{name}/process_time/real_time")


def round_trip(kinds, workers):
    return timed("channel-round_trip", f"round_trip<pair::{kinds}>/workers:{workers}/pairs:1")


def burst(name, workers):
    return timed("scheduler-burst", f"{name}/workers:{workers}")


def eight(after_burst):
    return timed("scheduler-burst", f"eight_of_5ms/workers:2/after_burst:{after_burst}")


def parked(kind, count):
    return Case("channel-parked", f"parked_{kind}/{count}/iterations:1", "bytes")


def asleep_inside(workers):
    return Case("scheduler-blocking", f"asleep_inside/workers:{workers}/iterations:5/real_time", "delay_ms")


def million_timers(field):
    return Case("scheduler-timer", "timers/workers:2/timers:1000000/iterations:1/process_time/real_time", field)


BARE = timed("scheduler-bare", "bare_child")

LIMITS = [
    Limit("round trip, one worker", "bare", 7, round_trip("coroutines", 1), BARE),
    Limit("round trip with a fiber, one worker", "bare", 9, round_trip("coroutine_and_fiber", 1), BARE),
    Limit("spawn and join, one worker", "bare", 5, timed("scheduler-spawn", "spawn_and_join/workers:1"), BARE),
    Limit("yield, stackless", "bare", 1.4, timed("scheduler-yield", "yield<kind::stackless>"), BARE),
    Limit("yield, stackful", "bare", 1.8, timed("scheduler-yield", "yield<kind::stackful>"), BARE),
    Limit("yield, stackful, after an inexact division", "bare", 1.8,
          timed("scheduler-yield", "yield<kind::stackful_after_division>"), BARE),
    Limit("round trip, two workers to one", "x", 1.3, round_trip("coroutines", 2), round_trip("coroutines", 1)),
    Limit("a million empty spawns in a scope, two workers to one", "x", 1.2,
          burst("empty_in_a_scope", 2), burst("empty_in_a_scope", 1)),
    Limit("a million empty spawns with handles, two workers to one", "x", 1.2,
          burst("empty_with_handles", 2), burst("empty_with_handles", 1)),
    Limit("eight tasks of 5 ms, two workers", "ms", 23, eight(0)),
    Limit("eight tasks of 5 ms after a million empty ones", "ms", 23, eight(1)),
    Limit("ten thousand tasks of 50 us, two workers to one", "x", 0.5 / 0.95, burst("ten_thousand_of_50us", 2),
          burst("ten_thousand_of_50us", 1), slow=True),
    Limit("a million timers in a second, processor time of each", "ns", 1000, million_timers("cpu_ns_each"), slow=True),
    Limit("a million timers in a second, p99 late", "us", 1000, million_timers("late_us_p99"), slow=True),
    Limit("a parked task<void>, resident", "bytes", 192, parked("stackless", 1_000_000), slow=True),
    Limit("a parked fiber with a guard, resident", "bytes", 4.4 * 1024, parked("stackful", 100_000), slow=True),
    Limit("idle, 100,000 parked, processor time", "%", 0.1,
          Case("scheduler-idle", "idle/workers:2/parked:100000/iterations:1/process_time/real_time", "cpu_percent"),
          slow=True),
    Limit("an answer, while its worker is inside one tasklet, p99", "us", 1000,
          Case("net-neighbour", "held/iterations:2/real_time", "answers_us_p99"), slow=True),
    Limit("a timer, while its worker is inside one tasklet, p99 late", "us", 1000,
          Case("net-neighbour", "held/iterations:2/real_time", "timers_us_p99"), slow=True),
    Limit("the others, while 64 tasklets sleep 100 ms in blocking calls, one worker", "ms late", 5, asleep_inside(1), slow=True),
    Limit("the same, two workers", "ms late", 5, asleep_inside(2), slow=True),
]


def run(folder, cases):
    """Runs the named benchmarks once, and returns the figure of each case."""
    found = {}
    for program in dict.fromkeys(case.program for case in cases):
        names = sorted({re.escape(case.name) for case in cases if case.program == program})
        command = [str(folder / f"bench-{program}"), "--benchmark_format=json", "--benchmark_min_time=0.1",
                   f"--benchmark_filter=^({'|'.join(names)})$"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            sys.exit(f"check: {' '.join(command)} ended with {done.returncode}: {done.stderr.strip()}")
        figures = {one["name"]: one for one in json.loads(done.stdout)["benchmarks"]}
        for case in cases:
            if case.program == program:
                if case.name not in figures:
                    sys.exit(f"check: bench-{program} has no benchmark {case.name}.")
                found[case] = figures[case.name][case.field]
    return found


def measure(folder, limits):
    """Returns for each limit a list of blocks, each a list of values."""
    values = [[] for _ in limits]
    for _ in range(BLOCKS):
        blocks = [[] for _ in limits]
        for number in range(ROUNDS):
            asked = [limit for limit in limits if number == 0 or not limit.slow]
            found = run(folder, [case for limit in asked for case in (limit.case, limit.over) if case])
            for limit, block in zip(limits, blocks):
                if limit in asked:
                    block.append(found[limit.case] / (found[limit.over] if limit.over else 1))
        for i, block in enumerate(blocks):
            values[i].append(block)
    return values


def judge(limit, blocks):
    flat = [value for block in blocks for value in block]
    value = statistics.median(flat) if limit.slow else min(statistics.median(block) for block in blocks)
    return Finding(limit.title, limit.unit, value, f"<= {limit.most:g}", min(flat), max(flat), value <= limit.most)


ECHO = re.compile(r"^ *(\d+) connections: .* ratio ([\d.]+) \(rounds ([\d.]+) to ([\d.]+)\), limit ([\d.]+)$", re.M)


def echo(folder):
    """Runs the echo, which compares itself with a plain loop, turn about."""
    program = folder / "bench-net-echo"
    done = subprocess.run([str(program), "--check"], stdout=subprocess.PIPE, text=True)
    rows = ECHO.findall(done.stdout)
    if not rows:
        sys.exit(f"check: {program} --check printed no ratio (exit code {done.returncode}).")
    for connections, ratio, low, high, least in rows:
        yield Finding(f"echo of 64 bytes, {connections} connections, to an epoll loop", "x", float(ratio),
                      f">= {float(least):g}", float(low), float(high), float(ratio) >= float(least))


def number(value):
    return f"{value:.4g}" if value < 1000 else f"{value:.0f}"


def print_table(findings):
    rows = [("", "value", "unit", "limit", "rounds", "")]
    rows += [(f.title, number(f.value), f.unit, f.bound, f"{number(f.low)} .. {number(f.high)}",
              "pass" if f.holds else "FAIL") for f in findings]
    widths = [max(len(row[i]) for row in rows) for i in range(6)]
    for row in rows:
        cells = [row[0].ljust(widths[0]), row[1].rjust(widths[1]), row[2].ljust(widths[2]), row[3].ljust(widths[3]),
                 row[4].rjust(widths[4]), row[5]]
        print("  ".join(cells).rstrip())


def main():
    if len(sys.argv) != 2 or not pathlib.Path(sys.argv[1]).is_dir():
        sys.exit(__doc__.split("\n\n")[1].strip())
    folder = pathlib.Path(sys.argv[1]).resolve()
    kind = machine.build_options(folder.parent)["buildtype"]
    if kind != "release":
        sys.exit(f"check: {folder.parent} is a {kind} build; the limits are those of a release build.")
    around = machine.surroundings(folder.parent)
    meanwhile = machine.Others()
    values = measure(folder, LIMITS)
    echoes = list(echo(folder))
    others = meanwhile.share()
    around["used_by_others"] = round(others, 3)
    findings = [judge(limit, blocks) for limit, blocks in zip(LIMITS, values)]
    findings += echoes

    print(f"{around['machine']}, {around['processors']} processors, Linux {around['kernel']}, {around['compiler']}, "
          f"martlet {around['martlet']}")
    print(f"lowest of {BLOCKS} medians of {ROUNDS} rounds; others used {100 * others:.0f}% of the machine meanwhile")
    print_table(findings)
    target = machine.ROOT / "build" / "bench" / "check.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps({"surroundings": around, "findings": [dataclasses.asdict(f) for f in findings],
                                  "rounds": {limit.title: blocks for limit, blocks in zip(LIMITS, values)}}, indent=2))
    failed = [f.title for f in findings if not f.holds]
    if failed and others > QUIET:
        print(f"others used {100 * others:.0f}% of the machine: what takes more than one thread needs it alone; run it "
              "again then")
    print(f"{len(findings)} figures, {len(failed)} beyond their limits; {target.relative_to(machine.ROOT)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
