"""Runs the same work on martlet, on other runtimes and serially, turn about, and writes tables of ratios.

The programs of a case (a workload, a variant, a number of threads) run in turn, A B A B, so that what disturbs the
machine hits all alike; a figure is the median of the rounds, with the lowest and the highest behind it. A runtime that
is not there is named and left out. Everything is kept after each round, and a run that was cut short goes on; a case
whose programs have changed since is measured again. Writes measured.json, README.md and compare.svg to build/compare.
"""

import argparse
import json
import os
import pathlib
import select
import statistics
import subprocess
import sys
import tomllib

import runtimes

sys.path.insert(0, str(runtimes.HERE.parent))
import machine  # noqa: E402

ROUNDS = 7
QUICK_ROUNDS = 3
LIMIT_S = 300  # of one program
NO_SUCH_VARIANT = 3  # what a program leaves with for a variant that its runtime has nothing for


class Failed(Exception):
    """A program that did not do its work; says how."""


class Workload:
    """A folder of programs that do the same."""

    def __init__(self, folder):
        self.folder, self.name = folder, folder.name
        text = tomllib.loads((folder / "workload.toml").read_text())
        self.what = text["what"]
        self.figures = text["figures"]
        self.more_is_better = text.get("more_is_better", [])
        self.variants = text.get("variants", ["-"])
        self.threads = text.get("threads")
        self.client = text.get("client")
        self.pythons = ("", runtimes.SYSTEM, *text.get("pythons", []))  # versions of the interpreter that it is measured on

    def heading(self, figure):
        return self.figures[figure] + (" (more is better)" if figure in self.more_is_better else "")

    def cases(self, processors):
        widths = sorted({1, processors})
        return [(variant, threads) for variant in self.variants for threads in self.threads or widths
                if threads <= processors]


def parse(text):
    figures = {}
    for line in text.splitlines():
        try:
            name, value = line.split()
            figures[name] = float(value)
        except ValueError:
            raise Failed(f"it printed '{line[:80]}', which is no figure") from None
    return figures


def figures_of(program, threads, variant, client):
    """Runs a program once; returns its figures, or None where the variant does not exist for its runtime."""
    line = program.line(threads, variant)
    environment = os.environ | dict(program.environment)
    figures = {}
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as server:
        try:
            if client:
                if not select.select([server.stdout], [], [], LIMIT_S)[0]:
                    raise subprocess.TimeoutExpired(line, LIMIT_S)
                word, _, port = server.stdout.readline().partition(" ")
                if word == "port":
                    done = subprocess.run([client, port.strip(), variant], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                          text=True, timeout=LIMIT_S)
                    if done.returncode != 0:
                        raise Failed(f"its client ended with {done.returncode}: {done.stderr.strip()[-300:]}")
                    figures = parse(done.stdout)
            out, errors = server.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            raise Failed(f"it took more than {LIMIT_S} s") from None
        finally:
            server.kill()
    if server.returncode == NO_SUCH_VARIANT:
        return None
    if server.returncode != 0:
        raise Failed(f"it ended with {server.returncode}: {errors.strip()[-300:]}")
    return figures | parse(out)


class Measured:
    """What was measured so far, by case; kept in a file."""

    def __init__(self, path):
        self.path = path
        self.all = json.loads(path.read_text()) if path.exists() else {"cases": {}}

    def save(self):
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps(self.all, indent=1))
        part.replace(self.path)

    def forget(self, workload):
        self.all["cases"] = {key: case for key, case in self.all["cases"].items() if case["workload"] != workload.name}

    def of(self, workload):
        return [case for case in self.all["cases"].values() if case["workload"] == workload.name]

    def case(self, workload, variant, threads, programs):
        """Returns what there is of a case, empty when a program of it has changed or is new."""
        key = f"{workload.name} {variant} {threads}"
        prints = {name: program.fingerprint() for name, program in programs.items()}
        known = self.all["cases"].get(key)
        if known is None or any(known["programs"].get(name) != value for name, value in prints.items()):
            known = self.all["cases"][key] = {"workload": workload.name, "variant": variant, "threads": threads,
                                              "programs": prints, "left_out": {}, "used_by_others": 0, "rounds": []}
        return known


def measure(workload, case, programs, rounds, client, keep):
    """Adds rounds to a case until there are enough."""
    while len(case["rounds"]) < rounds:
        found, meanwhile = {}, machine.Others()
        for name, program in programs.items():
            if name in case["left_out"]:
                continue
            try:
                figures = figures_of(program, case["threads"], case["variant"], client)
                if figures is None:
                    case["left_out"][name] = ""
                    continue
                lacking = [figure for figure in workload.figures if figure not in figures]
                if lacking:
                    raise Failed(f"it printed no {lacking[0]}")
                found[name] = figures
            except Failed as error:
                if name.startswith("martlet"):
                    sys.exit(f"compare: {workload.name} of {name}, {case['threads']} threads: {error}")
                case["left_out"][name] = str(error)
                print(f"compare: {workload.name} of {name} is left out: {error}", file=sys.stderr)
        case["rounds"].append(found)
        if found:
            case["used_by_others"] = max(case["used_by_others"], round(meanwhile.share(), 3))
        keep()
        print(f"compare: {workload.name} {case['variant']}, {case['threads']} threads: round {len(case['rounds'])}",
              file=sys.stderr, flush=True)


def values_of(case, name, figure):
    return [one[name][figure] for one in case["rounds"] if name in one]


def ratio(workload, case, name):
    """Returns how many times more of the first figure a runtime takes than martlet's; None where one of them is missing."""
    figure = next(iter(workload.figures))
    mine, theirs = values_of(case, runtimes.whose_time(name), figure), values_of(case, name, figure)
    return statistics.median(theirs) / statistics.median(mine) if mine and theirs else None


def number(value):
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def ratio_cell(workload, case, name):
    of, beside = ratio(workload, case, name), runtimes.whose_time(name)
    return "" if of is None else f"{of:.2f}" + ("" if beside == "martlet" else f" to {beside}")


def table(workload, cases):
    """Returns a Markdown table: a row per variant, number of threads and runtime."""
    varies = len(workload.variants) > 1
    lines = [f"## {workload.name}", "", f"{workload.what[0].upper()}{workload.what[1:]}.", "",
             "| " + ("variant | " if varies else "") + "threads | runtime | "
             + " | ".join(workload.heading(figure) for figure in workload.figures) + " | to martlet |",
             "|" + ("---|" if varies else "") + "--:|---|" + "--:|" * len(workload.figures) + "--:|"]
    for case in cases:
        for name in [runtime.name for runtime in runtimes.RUNTIMES]:
            cells = []
            for figure in workload.figures:
                values = values_of(case, name, figure)
                if values:
                    cells.append(f"{number(statistics.median(values))} ({number(min(values))} .. {number(max(values))})")
            if cells:
                start = ([case["variant"]] if varies else []) + [str(case["threads"]), name]
                lines.append("| " + " | ".join(start + cells + [ratio_cell(workload, case, name)]) + " |")
    return "\n".join(lines) + "\n"


def names_in(text):
    return [name.strip() for name in text.split(",")]


def arguments():
    parser = argparse.ArgumentParser(prog="compare", description=__doc__.split("\n\n")[0])
    parser.add_argument("build", type=pathlib.Path, help="the folder of a release build")
    parser.add_argument("--only", metavar="WORKLOAD", type=names_in, action="extend", default=[], help="all without it")
    parser.add_argument("--peers", metavar="A,B", type=names_in, action="extend", default=[],
                        help="runtimes to measure beside martlet and serial code of their languages")
    parser.add_argument("--quick", action="store_true", help=f"the nearest peers, {QUICK_ROUNDS} rounds")
    parser.add_argument("--fresh", action="store_true", help="begin again with the workloads that are taken")
    return parser.parse_args()


def check_names(kind, names, there):
    for name in names:
        if name not in there:
            sys.exit(f"compare: there is no {kind} '{name}'; there are {', '.join(there)}.")


def chosen_workloads(names):
    there = {path.parent.name: path.parent for path in sorted(runtimes.HERE.glob("*/workload.toml"))}
    check_names("workload", names, there)
    return [Workload(folder) for name, folder in there.items() if not names or name in names]


def chosen_runtimes(names, quick):
    there = {runtime.name: runtime for runtime in runtimes.RUNTIMES}
    check_names("runtime", names, there)
    if names:
        pythons = {"", *(there[name].python for name in names)}
        return [one for one in there.values()
                if one.name in names or one.python in pythons and one.name.startswith(("martlet", "serial"))]
    return [runtime for runtime in there.values() if runtime.is_core or not quick]


def built(asked, workloads, peers):
    """Returns the programs by workload and runtime, why runtimes are missing, and the versions of those that are not."""
    programs, missing, versions = {workload.name: {} for workload in workloads}, {}, {}
    for runtime in peers:
        try:
            found = runtime.programs(asked.build, [one.folder for one in workloads if runtime.python in one.pythons])
            for workload, program in found.items():
                programs[workload][runtime.name] = program
            if found and runtime.version:
                versions[runtime.name] = runtime.version_text()
        except runtimes.Missing as reason:
            missing[runtime.name] = str(reason)
            print(f"compare: {runtime.name} is left out: {reason}", file=sys.stderr)
    return programs, missing, versions


def write(workloads, measured):
    """Writes the tables of all that was measured, and the plot."""
    about = measured.all["about"]
    have_figures = {name for case in measured.all["cases"].values() for one in case["rounds"] for name in one}
    versions = dict.fromkeys(text for name, text in about["versions"].items() if name in have_figures)
    others = max((case["used_by_others"] for case in measured.all["cases"].values()), default=0)
    rounds = " or ".join(str(n) for n in sorted({len(case["rounds"]) for case in measured.all["cases"].values()}))
    lines = ["# martlet beside other runtimes", "",
             f"{about['machine']}, {about['processors']} processors, Linux {about['kernel']}, {about['compiler']}, Boost "
             f"{about['boost']}, oneTBB {about['tbb']}, martlet {about['martlet']}; others used "
             f"at most {100 * others:.0f}% of the machine during a round.",
             *(["", "; ".join(versions) + "."] if versions else []), "",
             f"Medians (lowest .. highest) of {rounds} rounds, turn about. `to martlet` is the ratio of the medians of the first "
             "figure, in Python to martlet's in Python.",
             "", "![ratios to martlet](compare.svg)", ""]
    if about["missing"]:
        lines += ["Left out: " + "; ".join(f"{name} ({why})" for name, why in about["missing"].items()) + ".", ""]
    for workload in workloads:
        cases = measured.of(workload)
        if cases:
            text = table(workload, cases)
            lines.append(text)
            failed = {name: why for case in cases for name, why in case["left_out"].items() if why}
            lines += [f"Left out here: {'; '.join(f'{name}: {why}' for name, why in failed.items())}.", ""] if failed else []
    (runtimes.OUT / "README.md").write_text("\n".join(lines))


def compare(asked, workloads, peers):
    """Measures what was not measured yet, and returns all that was."""
    runtimes.OUT.mkdir(parents=True, exist_ok=True)
    programs, missing, versions = built(asked, workloads, peers)
    measured = Measured(runtimes.OUT / "measured.json")
    rounds = QUICK_ROUNDS if asked.quick else ROUNDS
    for workload in workloads:
        if asked.fresh:
            measured.forget(workload)
        for variant, threads in workload.cases(len(os.sched_getaffinity(0))):
            mine = {name: program for name, program in programs[workload.name].items()
                    if not name.startswith("serial") or threads in (1, *(workload.threads or []))}
            if mine:
                case = measured.case(workload, variant, threads, mine)
                client = workload.client and str(asked.build / "bench" / f"compare-{workload.name}-client")
                measure(workload, case, mine, rounds, client, measured.save)
        known = measured.all.get("about", {}).get("versions", {})  # of a run that this one goes on with
        measured.all["about"] = machine.surroundings(asked.build) | {"versions": known | versions, "missing": missing}
        measured.save()
    return measured


def main():
    asked = arguments()
    asked.build = asked.build.resolve()
    if not (asked.build / "meson-info").is_dir():
        sys.exit(f"compare: {asked.build} is no build; `./dev compare` makes one in build/release.")
    workloads = chosen_workloads(asked.only)
    measured = compare(asked, workloads, chosen_runtimes(asked.peers, asked.quick))
    everything = chosen_workloads([])
    write(everything, measured)
    import chart  # matplotlib is needed for this alone
    chart.draw(everything, measured.all["cases"].values(), ratio, runtimes.OUT / "compare.svg")
    for workload in workloads:
        print(table(workload, measured.of(workload)))
    print(f"{(runtimes.OUT / 'README.md').relative_to(runtimes.ROOT)}, compare.svg, measured.json")


if __name__ == "__main__":
    main()
