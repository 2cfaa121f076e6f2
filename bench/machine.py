"""What a figure has to be quoted with, and how much of the machine others use meanwhile."""

import datetime
import json
import os
import pathlib
import platform
import re
import resource
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent


def output_of(*command):
    """Returns what a command printed, and "unknown" when it could not."""
    try:
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT,
                              check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def boost_version():
    header = pathlib.Path("/usr/include/boost/version.hpp")
    found = re.search(r'^#define BOOST_LIB_VERSION "(.*)"', header.read_text(), re.M) if header.exists() else None
    return found.group(1) if found else "unknown"


def build_options(tree):
    """Returns the options of a build tree by name."""
    return {one["name"]: one["value"] for one in json.loads((tree / "meson-info" / "intro-buildoptions.json").read_text())}


def surroundings(tree):
    """Takes a build tree; returns machine, kernel, compiler and versions by name."""
    targets = json.loads((tree / "meson-info" / "intro-targets.json").read_text())
    compiler = targets[0]["target_sources"][0]["compiler"]
    model = re.search(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    return {
        "when": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "machine": model.group(1) if model else platform.processor(),
        "processors": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "compiler": output_of(*compiler, "--version").split("\n")[0],
        "switch": build_options(tree)["switch"],
        "martlet": output_of("git", "describe", "--always", "--dirty"),
        "boost": boost_version(),
        "tbb": output_of("pkg-config", "--modversion", "tbb"),
        "benchmark": output_of("pkg-config", "--modversion", "benchmark"),
    }


class Others:
    """Counts the share of the machine that is used by anything but this process's children, from its making on."""

    def __init__(self):
        self.start, self.busy, self.own = time.monotonic(), self._busy(), self._own()

    def share(self):
        capacity = (time.monotonic() - self.start) * (os.cpu_count() or 1)
        return max(0.0, self._busy() - self.busy - (self._own() - self.own)) / capacity

    @staticmethod
    def _busy():
        with open("/proc/stat") as file:
            user, nice, system, idle, wait, irq, softirq, steal = map(int, file.readline().split()[1:9])
        return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")

    @staticmethod
    def _own():
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime
