"""Measures what a change did to the benchmarks: those of another build before it, turn about with ours.

    against.py BEFORE NOW [ROOM ...]      the folders of two release builds; all rooms without a name

A loop of a few ns moves by up to a sixth with where the linker happens to put it, and a change moves all code behind
it. So each program is linked several times with so much in front that its code lies at each offset in a cache line,
and in other sets of the branch predictor. What else the machine does only ever adds, on a shared one by half and in spells
of seconds; so each program runs in many short rounds, and a figure is the mean over the placements of its lowest. The
error is that of the ratio of two such means (one standard error). The last column is the ratio of the medians of all
rounds: where it is far from the other one, a benchmark has become better or worse in what it does now and then. One
whose code is the same in both builds, as `serial` and `from_the_heap`, shows what remains of the noise.
Sources: Mytkowicz, Diwan, Hauswirth and Sweeney, Producing wrong data without doing anything obviously wrong!, ASPLOS
2009, doi:10.1145/1508244.1508275; Chen and Revels, Robust benchmarking in noisy environments, 2016, arXiv:1608.04295.
"""

import json
import math
import pathlib
import shlex
import statistics
import subprocess
import sys

PLACEMENTS = (64, 16, 32 + 1024, 48 + 2048, 64 + 4096 + 16, 64 + 8192 + 48)  # bytes in front of the code
ROUNDS = 10
WAITING = "bench-scheduler-idle"  # takes the same time whatever it measures


def link(tree, program, folder):
    """Links a program of a build once for each placement, and returns their paths."""
    target = f"bench/{program}"
    subprocess.run(["ninja", "-C", tree, target], check=True, stdout=subprocess.DEVNULL)
    listed = subprocess.run(["ninja", "-C", tree, "-t", "commands", target], check=True, stdout=subprocess.PIPE, text=True)
    command = shlex.split(listed.stdout.splitlines()[-1])
    at = command.index("-o")
    paths = []
    for size in PLACEMENTS:
        padding = folder / f"padding-{size}.o"
        if not padding.exists():
            source = f'.section .note.GNU-stack,"",@progbits\n.text\n.zero {size}\n'
            subprocess.run(["as", "-o", padding, "-"], input=source, text=True, check=True)
        path = folder / f"{program}-{size}"
        subprocess.run([*command[: at + 1], path, padding, *command[at + 2 :]], cwd=tree, check=True)
        paths.append(path)
    return paths


def run(path):
    """Runs a program and returns the time of each of its benchmarks, in ns."""
    command = [path, "--benchmark_format=json", "--benchmark_min_time=0.03"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"against: {path} ended with {done.returncode}: {done.stderr.strip()}")
    scale = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}
    return {one["name"].replace("/process_time", "").replace("/real_time", ""): one["real_time"] * scale[one["time_unit"]]
            for one in json.loads(done.stdout)["benchmarks"]}


def compare(before, now):
    """Takes the placements of a program in both builds; prints a line for each benchmark that both have."""
    placements = []  # for each, and each side: what the rounds gave
    for pair in zip(before, now):
        rounds = ([], [])
        for number in range(ROUNDS):
            for side in (0, 1) if number % 2 == 0 else (1, 0):
                rounds[side].append(run(pair[side]))
        placements.append(rounds)
    for name in placements[0][1][0]:
        if name not in placements[0][0][0]:
            continue
        times = [[[one[name] for one in rounds[side]] for rounds in placements] for side in (0, 1)]
        lowest = [[min(one) for one in side] for side in times]
        means = [statistics.fmean(side) for side in lowest]
        errors = [statistics.stdev(side) / math.sqrt(len(side)) / mean for side, mean in zip(lowest, means)]
        ratio = means[1] / means[0]
        usual = [statistics.median(time for one in side for time in one) for side in times]
        print(f"| {name} | {means[0]:.4g} | {means[1]:.4g} | {ratio:.3f} | {ratio * math.hypot(*errors):.3f} "
              f"| {usual[1] / usual[0]:.3f} |", flush=True)


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__.split("\n\n")[1].strip())
    trees = [pathlib.Path(name).resolve() for name in sys.argv[1:3]]
    rooms = sys.argv[3:]
    programs = [sorted(path.name for path in (tree / "bench").glob("bench-*") if path.is_file()) for tree in trees]
    programs = [name for name in programs[1] if name in programs[0] and name != WAITING]
    programs = [name for name in programs if not rooms or name.split("-")[1] in rooms]
    if not programs:
        sys.exit(f"against: {trees[0]} and {trees[1]} have no benchmark of {', '.join(rooms) or 'any room'} in common.")
    folders = [trees[1] / "against" / side for side in ("before", "now")]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    print(f"ns; means over {len(PLACEMENTS)} placements of the lowest of {ROUNDS} rounds, and one standard error")
    print("| | before | now | ratio | error | of medians |\n|---|---|---|---|---|---|")
    for program in programs:
        compare(*(link(tree, program, folder) for tree, folder in zip(trees, folders)))


if __name__ == "__main__":
    main()
