"""The Python programs that the documents quote run and end well."""

import pathlib
import subprocess
import sys

import pytest

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "docs/examples"


@pytest.mark.parametrize("name", ["pipeline.py", "sum.py"])
def test_an_example_ends_with_zero(name):
    done = subprocess.run([sys.executable, str(EXAMPLES / name)], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
