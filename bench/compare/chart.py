"""Draws how many times martlet's time the other runtimes take, a row a case, on a logarithmic axis."""

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "martlet"  # the same picture for the same figures
import matplotlib.pyplot as plt  # noqa: E402


def is_drawn(name):
    """False for the line at 1, and for what does not schedule anything."""
    return name != "martlet" and not name.startswith("serial")


def rows_of(workloads, cases, ratio):
    """Returns a name and the ratios by runtime for each case that has a figure of martlet and of somebody else."""
    rows = []
    for workload in workloads:
        for case in cases:
            if case["workload"] == workload.name:
                names = dict.fromkeys(name for one in case["rounds"] for name in one if is_drawn(name))
                ratios = {name: ratio(workload, case, name) for name in names}
                ratios = {name: value for name, value in ratios.items() if value}
                if ratios:
                    variant = "" if case["variant"] == "-" else f" {case['variant']}"
                    threads = "1 thread" if case["threads"] == 1 else f"{case['threads']} threads"
                    rows.append((f"{workload.name}{variant}, {threads}", ratios))
    return rows


def draw(workloads, cases, ratio, path):
    rows = rows_of(workloads, cases, ratio)
    if not rows:
        return
    names = list(dict.fromkeys(name for _, ratios in rows for name in ratios))
    colours = plt.get_cmap("tab20")
    figure, axes = plt.subplots(figsize=(9, 1.8 + 0.24 * len(rows)))
    for at, name in enumerate(names):
        points = [(ratios[name], len(rows) - row) for row, (_, ratios) in enumerate(rows) if name in ratios]
        axes.scatter(*zip(*points), s=26, marker="os^D"[at // 20], color=colours(at % 20), label=name, zorder=3)
    axes.axvline(1, color="black", linewidth=1.2)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_formatter("")
    axes.set_yticks(range(len(rows), 0, -1), [name for name, _ in rows], fontsize=8)
    axes.set_ylim(0.3, len(rows) + 0.7)
    axes.grid(axis="both", color="0.9", zorder=0)
    axes.set_xlabel("times what martlet takes (left of the line: less)")
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), fontsize=8, frameon=False)
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)
