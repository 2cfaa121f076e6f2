"""Runs the same work on martlet, on other runtimes and serially, turn about, and writes tables of ratios.

    run.py BUILD [WORKLOAD ...]      the folder of a release build; all workloads without a name

A workload is a folder beside this file with a source per runtime. Each program does the work twice and prints the
nanoseconds of an operation the second time. The programs of a workload run in turn, A B A B, and a figure is the
median of the rounds, with the lowest and the highest behind it. A runtime that is not installed is named and left out.
Writes build/compare/<workload>.md and build/compare/README.md.
"""

import os
import pathlib
import platform
import re
import shutil
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
OUT = ROOT / "build" / "compare"
ROUNDS = 7


def first_line(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()[0]


def build_go(source):
    """Compiles without modules and without a network; go wants all files of a program in one folder."""
    folder = OUT / "go" / source.parent.name
    folder.mkdir(parents=True, exist_ok=True)
    files = [shutil.copy(file, folder) for file in (source, HERE / "support.go")]
    program = folder / source.parent.name
    offline = {"GO111MODULE": "off", "GOTOOLCHAIN": "local", "GOPROXY": "off", "GOFLAGS": ""}
    command = ["go", "build", "-o", str(program), *files]
    print("+ " + " ".join(command), file=sys.stderr)
    subprocess.run(command, check=True, env=os.environ | offline)
    return program


def programs_of(workload, build, go):
    """Returns the programs of a workload by the names of their runtimes, martlet first and the serial one last."""
    found = {"martlet": build / "bench" / f"compare-{workload.name}-martlet"}
    if go and (workload / "go.go").exists():
        found["go"] = build_go(workload / "go.go")
    found["serial"] = build / "bench" / f"compare-{workload.name}-serial"
    return found


def measure(programs, threads):
    values = {name: [] for name in programs}
    for _ in range(ROUNDS):
        for name, program in programs.items():
            done = subprocess.run([str(program), str(threads)], stdout=subprocess.PIPE, text=True)
            if done.returncode != 0:
                sys.exit(f"compare: {program} {threads} ended with {done.returncode}.")
            values[name].append(float(done.stdout))
    return values


def cell(values):
    return f"{statistics.median(values):.1f} ({min(values):.1f} .. {max(values):.1f})"


def table(workload, programs, widths):
    """Returns a Markdown table: a row per runtime and number of threads; a ratio is of medians, martlet's is 1."""
    lines = [f"## {workload.name}", "", "| runtime | threads | ns an operation | to martlet |", "|---|--:|--:|--:|"]
    for threads in widths:
        values = measure({k: v for k, v in programs.items() if k != "serial" or threads == 1}, threads)
        martlet = statistics.median(values["martlet"])
        for name, of in values.items():
            lines.append(f"| {name} | {threads} | {cell(of)} | {statistics.median(of) / martlet:.2f} |")
    return "\n".join(lines) + "\n"


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__.split("\n\n")[1].strip())
    build = pathlib.Path(sys.argv[1]).resolve()
    workloads = sorted(path.parent for path in HERE.glob("*/martlet.cpp"))
    names = [path.name for path in workloads]
    for name in sys.argv[2:]:
        if name not in names:
            sys.exit(f"compare: there is no workload '{name}'; there are {', '.join(names)}.")
    chosen = [path for path in workloads if not sys.argv[2:] or path.name in sys.argv[2:]]
    OUT.mkdir(parents=True, exist_ok=True)

    processors = len(os.sched_getaffinity(0))
    model = re.search(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    about = [f"{model.group(1) if model else platform.processor()}, {processors} processors, Linux {platform.release()}",
             first_line("c++", "--version"), f"medians of {ROUNDS} rounds (lowest .. highest)"]
    go = shutil.which("go")
    if go:
        about.append(first_line("go", "version"))
    else:
        about.append("left out: go, which is not installed")
        print(f"compare: {about[-1]}", file=sys.stderr)
    text = "; ".join(about) + "\n"
    for workload in chosen:
        part = table(workload, programs_of(workload, build, go), [1, processors] if processors > 1 else [1])
        print(part)
        (OUT / f"{workload.name}.md").write_text(part + "\n" + "; ".join(about) + "\n")
        text += "\n" + part
    (OUT / "README.md").write_text("# martlet beside other runtimes\n\n" + text)
    print(f"{'; '.join(about)}; {(OUT / 'README.md').relative_to(ROOT)}")


if __name__ == "__main__":
    main()
