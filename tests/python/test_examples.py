"""The Python programs that the documents quote run and end well."""

import os
import pathlib
import subprocess
import sys

import pytest

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "docs/examples"


@pytest.mark.parametrize("name", ["lost_deposit.py", "pipeline.py", "sum.py"])
def test_an_example_ends_with_zero(name):
    environment = os.environ | {"PYTHONHASHSEED": "0"}  # for simulations
    done = subprocess.run([sys.executable, str(EXAMPLES / name)], env=environment, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
