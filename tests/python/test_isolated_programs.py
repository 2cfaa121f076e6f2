"""Isolated workers in whole programs: their main module, forks, their end."""

import os
import subprocess
import sys

import pytest
from conftest import needs_isolated

PROGRAM = """
import sys
import martlet

class Point:
    def __init__(self, x):
        self.x = x

def move(point, by):
    return Point(point.x + by)

def main():
    handles = [martlet.spawn(move, Point(n), 1, isolated=True) for n in range(10)]
    return sum(handle.join().x for handle in handles)

if __name__ == "__main__":
    print(martlet.run(main), flush=True)
    {end}
"""


def run_program(folder, arguments, end=""):
    (folder / "program.py").write_text(PROGRAM.format(end=end))
    return subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, text=True, timeout=100)


def run_typed(program):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=100, env=environment)


@needs_isolated
@pytest.mark.parametrize("arguments", [["program.py"], ["-m", "program"]])
def test_what_the_main_module_defines_crosses(tmp_path, arguments):
    done = run_program(tmp_path, arguments)
    assert (done.returncode, done.stdout, done.stderr) == (0, "55\n", "")


@needs_isolated
def test_what_was_typed_in_is_refused(tmp_path):
    done = run_program(tmp_path, ["-c", PROGRAM.format(end="")])
    assert done.returncode == 1 and "move was typed in" in done.stderr


@needs_isolated
def test_a_program_that_fails_ends_all_the_same(tmp_path):
    done = run_program(tmp_path, ["program.py"], "sys.exit('that was all')")
    assert (done.returncode, done.stdout, done.stderr) == (1, "55\n", "that was all\n")


@needs_isolated
def test_a_program_may_end_with_memory_of_a_worker():
    done = run_typed(
        "import isolated_work as work, martlet\n"
        "view = martlet.run(lambda: martlet.spawn(work.lend, 100, isolated=True).join())\n"
        "print(bytes(view[:2]))\n"
    )
    assert (done.returncode, done.stdout) == (0, "b'xx'\n"), done.stderr


@needs_isolated
def test_the_child_of_a_fork_makes_workers_of_its_own():
    program = """
import os, sys, warnings
warnings.simplefilter("ignore")
import isolated_work as work, martlet
def main():
    return martlet.spawn(work.add, 1, 2, isolated=True).join()
assert martlet.run(main) == 3
child = os.fork()
if child == 0:
    os._exit(martlet.run(main))
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = run_typed(program)
    assert (done.returncode, done.stdout) == (0, "3\n"), done.stderr


@needs_isolated
def test_where_no_worker_can_be_made_nobody_waits_for_one():
    program = """
import sys
from concurrent import interpreters
import isolated_work as work, martlet

def fail():
    raise MemoryError("no room")

interpreters.create = fail

def main():
    handles = [martlet.spawn(work.add, n, 1, isolated=True) for n in range(10)]
    for handle in handles:
        try:
            handle.join()
        except RuntimeError as error:
            print(error)

martlet.run(main)
"""
    done = run_typed(program)
    assert (done.returncode, done.stdout) == (0, "no isolated worker could be made: no room\n" * 10), done.stderr


@needs_isolated
def test_a_fork_beside_isolated_tasklets_is_warned_of():
    program = """
import os
import isolated_work as work, martlet

def main():
    begun = martlet.channel(isolated=True)
    handle = martlet.spawn(work.wait_until_stopped, begun, martlet.channel(1, isolated=True), isolated=True)
    begun.receive()
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    handle.cancel()

martlet.run(main)
"""
    done = run_typed(program)
    assert done.returncode == 0 and "os.fork() while isolated tasklets are under way" in done.stderr


@needs_isolated
def test_workers_are_threads_where_the_standard_library_is_patched():
    done = run_typed(
        "import martlet.patch, isolated_work as work, martlet\n"
        "print(martlet.run(lambda: martlet.spawn(work.add, 1, 2, isolated=True).join()))\n"
    )
    assert (done.returncode, done.stdout) == (0, "3\n"), done.stderr
