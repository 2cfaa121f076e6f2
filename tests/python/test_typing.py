"""The type stubs, as a user's type checker sees them."""

import pathlib
import subprocess
import sys

import pytest

pytest.importorskip("mypy", reason="mypy is asked for on one version only: pyproject.toml")


program = pathlib.Path(__file__).parent / "typed" / "program.py"


@pytest.mark.parametrize("checked", [[program], ["-m", "martlet"]], ids=["program", "stubs"])
def test_strict_types(checked, tmp_path):
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", tmp_path, *checked]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr
