"""The programs of the tutorial run, and print what stands below them."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

TUTORIAL = pathlib.Path(__file__).resolve().parents[2] / "docs/tutorial/python"
STEPS = sorted(TUTORIAL.glob("[0-9]*.md"))
BLOCK = re.compile(r"^```(\w+)(?: from 3\.(\d+))?\n(.*?)^```$", re.M | re.S)


def programs():
    """Gives each program, the version that it needs and what it prints: the block of text that comes next."""
    for step in STEPS:
        blocks = BLOCK.findall(step.read_text())
        for number, (language, minor, program) in enumerate(blocks):
            if language == "python":
                after, _, printed = (*blocks, ("", "", ""))[number + 1]
                yield pytest.param(program, int(minor or 0), printed if after == "text" else None, id=f"{step.stem}-{number}")


@pytest.mark.parametrize("program, minor, printed", list(programs()))
def test_a_program_prints_what_stands_below_it(tmp_path, program, minor, printed):
    if sys.version_info < (3, minor):
        pytest.skip(f"needs Python 3.{minor}")
    (tmp_path / "step.py").write_text(program)
    environment = os.environ | {"PYTHONHASHSEED": "0"}  # for simulations
    done = subprocess.run(
        [sys.executable, "step.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, printed, "")


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.stem)
def test_each_step_has_a_program_and_is_listed(step):
    assert "```python" in step.read_text()
    assert f"({step.name})" in (TUTORIAL / "README.md").read_text()


def test_the_steps_are_there():
    assert [step.name[:2] for step in STEPS] == [f"{number}-" for number in range(1, 10)]
