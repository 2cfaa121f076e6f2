"""`python -m martlet.info`."""

import os
import subprocess
import sys
import sysconfig

from martlet import info


def test_it_tells_what_there_is():
    told = dict(line.split(maxsplit=1) for line in info.lines())
    assert list(told) == ["martlet", "interpreter", "lock", "workers", "isolated", "functions", "switch", "sockets", "system"]
    assert "%d.%d.%d" % sys.version_info[:3] in told["interpreter"]
    assert ("no global lock" in told["lock"]) == bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


def test_it_is_a_command():
    environment = os.environ | {"MARTLET_WORKERS": "3"}
    done = subprocess.run([sys.executable, "-m", "martlet.info"], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "workers      3 (MARTLET_WORKERS says so)" in done.stdout
    environment["MARTLET_WORKERS"] = "many"
    done = subprocess.run([sys.executable, "-m", "martlet.info"], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "MARTLET_WORKERS" in done.stderr
