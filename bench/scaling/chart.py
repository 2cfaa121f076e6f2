"""Draws each question as a panel: its figures over what grows, both axes logarithmic, so that a slope is a power."""

import math
import statistics

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "martlet"  # the same picture for the same figures
import matplotlib.pyplot as plt  # noqa: E402

LINES = ("-", "--")  # of one worker, of one per processor


def draw_series(axes, figure, points, colour, **style):
    """Draws the medians with the lowest and the highest; oversubscribed ones are hollow."""
    sizes = [point["size"] for point in points]
    values = [point["figures"][figure.name] for point in points]
    medians = [statistics.median(one) for one in values]
    below = [middle - min(one) for middle, one in zip(medians, values)]
    above = [max(one) - middle for middle, one in zip(medians, values)]
    axes.errorbar(sizes, medians, yerr=(below, above), color=colour, elinewidth=0.8, capsize=2, linewidth=1.2, **style)
    for size, middle, point in zip(sizes, medians, points):
        axes.plot(size, middle, "o", markersize=4, color=colour, markerfacecolor="white" if point["oversubscribed"] else colour)


def draw_panel(axes, question, series, processors):
    for at, figure in enumerate(question.figures):
        for line, (workers, points) in zip(LINES, series.items()):
            draw_series(axes, figure, points, f"C{at}", linestyle=line, label=figure.what if line == LINES[0] else None)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(sorted({point["size"] for points in series.values() for point in points}))
    low, high = (math.log10(limit) for limit in axes.get_ylim())
    axes.set_ylim(10 ** math.floor(low), 10 ** math.ceil(high))  # whole decades, so that what is level looks so
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:,.12g}")
        axis.set_minor_formatter("")
    axes.set_xticks([], minor=True)
    axes.grid(color="0.9")
    axes.set_axisbelow(True)
    dashed = f" (dashed: on {list(series)[1]} workers)" if len(series) > 1 else ""
    axes.set_title(question.what + dashed, fontsize=10)
    axes.set_xlabel(question.grows, fontsize=9)
    axes.tick_params(labelsize=8)
    if any(point["oversubscribed"] for points in series.values() for point in points):
        right = axes.get_xlim()[1]
        axes.axvspan(processors * 1.1, right, color="0.95", zorder=0, label="oversubscribed")
        axes.set_xlim(right=right)
    axes.legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1))


def draw(everything, processors, path):
    figure, panels = plt.subplots(len(everything), figsize=(9, 3.2 * len(everything)), squeeze=False, layout="constrained")
    for axes, (question, series) in zip(panels.flat, everything):
        draw_panel(axes, question, series, processors)
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)
