"""The type stubs, as a user's type checker sees them."""

import pathlib
import subprocess
import sys

import pytest

pytest.importorskip("mypy", reason="mypy is asked for on one version only: pyproject.toml")


tests = pathlib.Path(__file__).parent
programs = [tests / "typed" / "program.py", tests / "typed" / "stackless_program.py"]
# Programs of Stackless's have no annotations, and TaskletExit is one of the builtins for them, of which mypy does not know.
old = ["--allow-untyped-defs", "--allow-untyped-calls", "--disable-error-code=var-annotated", "--disable-error-code=name-defined"]


@pytest.mark.parametrize(
    "checked",
    [
        *([program] for program in programs),
        ["-m", "martlet", "-m", "martlet.stackless"],
        [*old, *(tests.parents[1] / "docs/examples/stackless").glob("*.py")],
    ],
    ids=["program", "program of Stackless's", "stubs", "examples of Stackless's"],
)
def test_strict_types(checked, tmp_path):
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", tmp_path, *checked]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr
