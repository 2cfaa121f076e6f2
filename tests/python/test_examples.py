"""The Python programs that the documents quote run and end well."""

import importlib.util
import os
import pathlib
import subprocess
import sys

import pytest

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "docs/examples"


@pytest.mark.parametrize(
    "name", sorted(str(path.relative_to(EXAMPLES)) for pattern in ("*.py", "stackless/*.py") for path in EXAMPLES.glob(pattern))
)
def test_an_example_ends_with_zero(name):
    if name == "beside_twisted.py" and importlib.util.find_spec("twisted") is None:
        pytest.skip("Twisted is asked for on one version only: pyproject.toml")
    if name == "isolated.py" and sys.version_info < (3, 14):
        pytest.skip("isolated workers need 3.14")
    environment = os.environ | {"PYTHONHASHSEED": "0"}  # for simulations
    done = subprocess.run([sys.executable, str(EXAMPLES / name)], env=environment, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
