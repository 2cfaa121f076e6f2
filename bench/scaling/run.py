"""Measures how martlet's cost grows: with workers, tasklets, channels, cases of a select and timers.

A point is a program at one size on so many workers. All points of a question are measured once, then all again, so that what
disturbs the machine hits all alike; a figure is the median of the rounds, with the lowest and the highest behind it. The
growth of a series is the slope of its figure over its size, both as logarithms: 0 when it does not grow, 1 when it doubles with
the size; once over all sizes, and once over the larger half, which costs that are paid once do not hide. Writes measured.json,
README.md and scaling.svg to build/scaling, after each question.
"""

import argparse
import dataclasses
import json
import math
import os
import pathlib
import re
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
OUT = ROOT / "build" / "scaling"

sys.path.insert(0, str(HERE.parent))
import machine  # noqa: E402

ROUNDS = 5
QUICK_ROUNDS = 3
LIMIT_S = 300  # of one program
MOST_WORKERS = 64  # where the machine has no more than half as many processors
NOISE = 0.25  # of a slope; a cache that no longer holds everything makes some of it


@dataclasses.dataclass(frozen=True)
class Figure:
    """One of the figures that a program prints."""

    name: str
    what: str
    at_most: float = 0  # the slope that it cannot be without
    up_to_processors: bool = False  # what comes beyond cannot show it


@dataclasses.dataclass(frozen=True)
class Question:
    """A program, what grows, and what is to be seen of it."""

    name: str
    what: str
    grows: str
    figures: tuple
    sizes: tuple = ()  # none: it is the workers that grow
    bytes_each: int = 0  # of memory that one more needs, with room to spare

    def points(self, processors, quick):
        """Returns (workers, size) of each point, in the order of the tables."""
        if not self.sizes:
            return [(workers, workers) for workers in worker_counts(processors, quick)]
        sizes = self.sizes[::2] if quick else self.sizes
        return [(workers, size) for workers in sorted({1, processors}) for size in sizes]


def decades(first, last):
    return tuple(10**power for power in range(first, last + 1))


def speed_up(name, what):
    """Returns the two figures of work that is shared out: its time, which halves with each doubling, and what it costs."""
    return (Figure(f"{name}_ns", f"{what}, ns", at_most=-1, up_to_processors=True),
            Figure(f"{name}_cpu_ns", f"{what}, ns of processor time"))


QUESTIONS = (
    Question("workers", "the same work on more workers", "workers",
             speed_up("fork_join", "a task of 1.6 us") + speed_up("tree", "an empty task with ten children")
             + speed_up("ping_pong", "a round trip of one of 64 pairs")),
    Question("tasklets", "tasklets that live at once", "tasklets",
             (Figure("create_ns", "create one, until it waits, ns"), Figure("wake_ns", "wake it by a message, ns"),
              Figure("yield_ns", "its turn, ns"), Figure("end_ns", "end and join it, ns"),
              Figure("bytes", "its memory, bytes")), decades(2, 7), bytes_each=400),
    Question("channels", "channels, each with a sender and a receiver", "channels",
             (Figure("meeting_ns", "a message without a buffer, ns"),
              Figure("buffered_ns", "a message through 64 places, ns")), decades(0, 4)),
    Question("select", "channels that one tasklet waits for at once", "channels of a select",
             (Figure("select_ns", "a message, ns", at_most=1),), (2, 4, 8, 16, 32, 64)),
    Question("timers", "tasklets of each worker that sleep", "sleepers of each worker",
             (Figure("cpu_ns", "a sleep, ns of processor time"), Figure("late_p50_us", "late by, median, us"),
              Figure("late_p99_us", "late by, 99th percentile, us")), decades(0, 5)),
)


def worker_counts(processors, quick):
    """Returns how many workers to take: doubled each time, well beyond the processors, and as many as there are."""
    most = max(MOST_WORKERS, 2 * processors)
    if quick:
        return sorted({1, processors, 4 * processors})
    return sorted({1 << power for power in range(most.bit_length()) if 1 << power <= most} | {processors})


def slope(points):
    """Returns the slope of a line through (size, value), both as logarithms; None for fewer than two sizes."""
    logs = [(math.log(size), math.log(value)) for size, value in points if value > 0]
    if len({x for x, _ in logs}) < 2:
        return None
    return statistics.linear_regression(*zip(*logs)).slope


def free_bytes():
    found = re.search(r"^MemAvailable: *(\d+) kB", pathlib.Path("/proc/meminfo").read_text(), re.M)
    return 1024 * int(found.group(1)) if found else math.inf


def place_of(question, workers, size):
    """Returns words for a point."""
    return plural(workers, "worker") if not question.sizes else f"{size:,} {question.grows} on {plural(workers, 'worker')}"


def figures_of(question, program, workers, size):
    """Runs a program once; returns its figures by name."""
    where = f"scaling: the program of '{question.name}' for {place_of(question, workers, size)}"
    try:
        done = subprocess.run([program, str(workers), str(size)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        sys.exit(f"{where} took more than {LIMIT_S} s.")
    if done.returncode != 0:
        sys.exit(f"{where} ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    found = {name: float(value) for name, value in (line.split() for line in done.stdout.splitlines())}
    lacking = [figure.name for figure in question.figures if figure.name not in found]
    if lacking:
        sys.exit(f"{where} printed no {lacking[0]}.")
    return found


def plural(count, noun):
    return f"{count} {noun}" if count == 1 else f"{count:,} {noun}s"


def measure(question, build, processors, quick):
    """Returns all points of a question with the values of each round, and what was skipped."""
    points, skipped = [], []
    for workers, size in question.points(processors, quick):
        needed, there = size * question.bytes_each, free_bytes()
        if needed > there:
            skipped.append(f"{place_of(question, workers, size)} may need {needed / 2**30:.1f} GiB, and {there / 2**30:.1f} GiB "
                           "are free")
            continue
        points.append({"workers": workers, "size": size, "oversubscribed": workers > processors,
                       "figures": {figure.name: [] for figure in question.figures}})
    rounds = QUICK_ROUNDS if quick else ROUNDS
    others = 0.0
    for number in range(1, rounds + 1):
        meanwhile = machine.Others()
        for point in points:
            found = figures_of(question, build / "bench" / f"scaling-{question.name}", point["workers"], point["size"])
            for name, values in point["figures"].items():
                values.append(found[name])
        others = max(others, meanwhile.share())
        print(f"scaling: {question.name}: round {number} of {rounds}", file=sys.stderr, flush=True)
    return {"points": points, "skipped": skipped, "rounds": rounds, "used_by_others": round(others, 3)}


def series_of(question, measured):
    """Returns the points by the number of workers where that stays the same, and else all of them as one series."""
    if not question.sizes:
        return {None: measured["points"]}
    series = {}
    for point in measured["points"]:
        series.setdefault(point["workers"], []).append(point)
    return series


def growth(figure, points):
    """Returns the slopes of a series' medians over all sizes and over the larger half; None where there is none."""
    medians = [(point["size"], statistics.median(point["figures"][figure.name])) for point in points
               if not (figure.up_to_processors and point["oversubscribed"])]
    return slope(medians), slope(medians[min(len(medians) // 2, max(0, len(medians) - 2)):])


def number(value):
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def row(cells):
    return "| " + " | ".join(cells) + " |"


def table(question, measured):
    """Returns a Markdown table with a row a size, under it what each figure grows by."""
    lines = []
    for workers, points in series_of(question, measured).items():
        if workers is not None:
            lines += ["", f"On {plural(workers, 'worker')}:"]
        lines += ["", row([question.grows] + [figure.what for figure in question.figures]),
                  "|--:|" + "--:|" * len(question.figures)]
        for point in points:
            cells = [f"{point['size']:,}" + (" (oversubscribed)" if point["oversubscribed"] else "")]
            for figure in question.figures:
                values = point["figures"][figure.name]
                cells.append(f"{number(statistics.median(values))} ({number(min(values))} .. {number(max(values))})")
            lines.append(row(cells))
        for name, slopes in zip(("slope", "slope of the larger half"), zip(*(growth(figure, points) for figure in question.figures))):
            lines.append(row([name] + ["" if value is None else f"{value:+.2f}" for value in slopes]))
        lines.append(row(["a slope of at most"] + [f"{figure.at_most:+g}" if figure.at_most else "0" for figure in question.figures]))
    return "\n".join([f"## {question.name}", "", f"{question.what[0].upper()}{question.what[1:]}.", *lines]) + "\n"


def too_fast(question, measured):
    """Returns words for each series that grows faster than it must."""
    found = []
    for workers, points in series_of(question, measured).items():
        for figure in question.figures:
            steepest = max((value for value in growth(figure, points) if value is not None), default=-math.inf)
            if steepest > figure.at_most + NOISE:
                found.append(f"{question.name}: {figure.what}" + (f", on {plural(workers, 'worker')}" if workers else "")
                             + f" ({steepest:+.2f} instead of {figure.at_most:+g})")
    return found


def verdict(everything):
    found = [words for question, measured in everything for words in too_fast(question, measured)]
    return f"What grows faster than it must, by a slope of more than {NOISE}: " + ("; ".join(found) or "nothing") + "."


def write(everything, about):
    """Writes all that was measured, and the tables."""
    questions = {question.name: measured for question, measured in everything}
    (OUT / "measured.json").write_text(json.dumps({"about": about, "questions": questions}, indent=1))
    others = max(measured["used_by_others"] for measured in questions.values())
    rounds = everything[0][1]["rounds"]
    there = plural(about["processors"], "processor")
    lines = ["# How martlet's cost grows", "",
             f"{about['machine']}, {there}, Linux {about['kernel']}, {about['compiler']}, martlet {about['martlet']}; others used at "
             f"most {100 * others:.0f}% of the machine during a round.", "",
             f"Medians (lowest .. highest) of {rounds} rounds, all points of a question in turn. A slope is that of a figure over "
             "what grows, both as logarithms: 0 does not grow, +1 doubles when that doubles, -1 halves. Under it stands what it "
             "may be at most if nothing grows faster than it must; memory that no longer fits a cache adds some 0.1.", "",
             f"Workers beyond the {there} are marked as oversubscribed: they show what sharing a processor costs, not what one more "
             "would bring, and the slope of a time that must fall ends before them.", "",
             verdict(everything), "", "![cost over size](scaling.svg)", ""]
    for question, measured in everything:
        lines.append(table(question, measured))
        lines += [f"Skipped: {'; '.join(measured['skipped'])}.", ""] if measured["skipped"] else []
    (OUT / "README.md").write_text("\n".join(lines))


def arguments():
    parser = argparse.ArgumentParser(prog="scaling", description=__doc__.split("\n\n")[0])
    parser.add_argument("build", type=pathlib.Path, help="the folder of a release build")
    parser.add_argument("questions", nargs="*", metavar="QUESTION", help="all without a name")
    parser.add_argument("--quick", action="store_true", help=f"every other size, {QUICK_ROUNDS} rounds")
    asked = parser.parse_intermixed_args()  # names may stand behind --quick
    names = [one.name for one in QUESTIONS]
    for name in asked.questions:
        if name not in names:
            sys.exit(f"scaling: there is no question '{name}'; there are {', '.join(names)}.")
    if not (asked.build / "meson-info").is_dir():
        sys.exit(f"scaling: {asked.build} is no build; `./dev scaling` makes one in build/release.")
    return asked


def main():
    asked = arguments()
    processors = len(os.sched_getaffinity(0))
    about = machine.surroundings(asked.build)
    OUT.mkdir(parents=True, exist_ok=True)
    import chart  # matplotlib is needed for this alone
    everything = []
    for question in QUESTIONS:
        if asked.questions and question.name not in asked.questions:
            continue
        measured = measure(question, asked.build, processors, asked.quick)
        everything.append((question, measured))
        write(everything, about)
        chart.draw([(one, series_of(one, its)) for one, its in everything], processors, OUT / "scaling.svg")
        print(table(question, measured))
    print(verdict(everything))
    print(f"{(OUT / 'README.md').relative_to(ROOT)}, scaling.svg, measured.json")


if __name__ == "__main__":
    main()
