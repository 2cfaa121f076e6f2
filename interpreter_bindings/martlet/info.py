"""Tells what martlet has here: `python -m martlet.info`, for a report of an error or before a measurement."""

import os
import platform
import sys
import sysconfig
from importlib import metadata

from martlet._martlet import _facts


def lines():
    """Returns the lines that are printed, without their ends."""
    facts = _facts()
    if not facts["gil"]:
        lock = "no global lock: Python runs on all workers"
    elif sysconfig.get_config_var("Py_GIL_DISABLED"):
        lock = "built to run without a global lock, but it is on: an imported extension module or PYTHON_GIL asked for it"
    else:
        lock = "a global lock: Python runs on one worker at a time"
    asked = "MARTLET_WORKERS says so" if os.environ.get("MARTLET_WORKERS") else "MARTLET_WORKERS in the environment changes it"
    return [
        f"martlet      {metadata.version('martlet')}, {os.path.dirname(os.path.abspath(__file__))}",
        f"interpreter  {platform.python_implementation()} {platform.python_version()}, {sys.executable}",
        f"lock         {lock}",
        f"workers      {facts['workers']} ({asked})",
        f"isolated     {'workers with an interpreter each' if sys.version_info >= (3, 14) else 'not before Python 3.14'}",
        f"functions    {'tasklets too' if facts['functions'] else 'no tasklets on this version: spawn coroutines'}",
        f"switch       {facts['switch']}",
        "sockets      epoll",
        f"system       {platform.system()} {platform.release()}, {platform.machine()}",
    ]


if __name__ == "__main__":
    try:
        print("\n".join(lines()))
    except ValueError as wrong:  # the environment's
        sys.exit(f"martlet.info: {wrong}")
