"""python -m martlet.stackless runs an old program, which imports stackless."""

import subprocess
import sys
import textwrap
import zipfile

import pytest

OLD = """
import stackless, sys
from stackless import channel, tasklet, run, schedule
import stackless as again

def sends(ch):
    for n in range(3):
        ch.send(n)
    ch.send_exception(StopIteration)

def receives(ch):
    for n in ch:
        print(n)

ch = channel()
tasklet(sends)(ch)
tasklet(receives)(ch)
run()
print(sys.argv[1:], __name__, again is stackless)
"""


def run(*arguments, code=0, text=None):
    command = [sys.executable, "-m", "martlet.stackless", *map(str, arguments)]
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return done.stdout, done.stderr


@pytest.fixture
def script(tmp_path):
    def write(text, name="program.py"):
        path = tmp_path / name
        path.write_text(textwrap.dedent(text))
        return path

    return write


def test_an_old_program_runs_unchanged(script):
    out, err = run(script(OLD), "one", "--two")
    assert (out, err) == ("0\n1\n2\n['one', '--two'] __main__ True\n", "")


def test_its_folder_is_where_modules_are_looked_for(script):
    script("import stackless\nvalue = stackless.getcurrent().is_main", "beside.py")
    path = script("import beside, sys; print(beside.value, sys.argv[0], __file__, sys.path[0])")
    out, err = run(path)
    assert out == f"True {path} {path} {path.parent}\n", err


def test_a_command_runs():
    out, err = run("-c", "import stackless, sys; print(stackless.getruncount(), sys.argv)", "a", "-b")
    assert out == "1 ['-c', 'a', '-b']\n", err


def test_a_module_runs(script, monkeypatch):
    path = script(OLD)
    monkeypatch.setenv("PYTHONPATH", str(path.parent), prepend=":")
    out, err = run("-m", "program", "x")
    assert out == "0\n1\n2\n['x'] __main__ True\n", err


def test_a_folder_runs(script):
    script("import stackless\nvalue = stackless.getcurrent().is_main", "beside.py")
    path = script("import beside, sys; print(beside.value, sys.argv, sys.path[0], __name__)", "__main__.py")
    out, err = run(path.parent, "x")
    assert out == f"True ['{path.parent}', 'x'] {path.parent} __main__\n", err


def test_an_archive_runs(script, tmp_path):
    archive = tmp_path / "program.pyz"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("__main__.py", OLD)
    out, err = run(archive, "x")
    assert out == "0\n1\n2\n['x'] __main__ True\n", err


def test_a_folder_without_a_program_is_refused(tmp_path):
    out, err = run(tmp_path, code=1)
    assert "can't find '__main__' module in" in err and "Traceback" not in err


@pytest.mark.parametrize(
    "arguments, text",
    [(["-c"], "Argument expected for the -c option"), (["-m"], "Argument expected for the -m option"), (["-O", "x.py"], "unknown option -O")],
)
def test_a_wrong_command_line_is_refused_in_a_sentence(arguments, text):
    out, err = run(*arguments, code=2)
    assert text in err and "Traceback" not in err


def test_its_exit_status_is_the_programs(script):
    assert run(script("import sys; sys.exit(3)"), code=3) == ("", "")
    out, err = run(script("import sys; sys.exit('text')"), code=1)
    assert err == "text\n"


def test_a_traceback_is_the_programs_own(script):
    path = script("import stackless\ndef fails():\n    1 / 0\nstackless.tasklet(fails)()\nstackless.run()\n")
    out, err = run(path, code=1)
    assert err.startswith("Traceback (most recent call last):\n") and err.endswith("ZeroDivisionError: division by zero\n")
    assert f'File "{path}", line 3, in fails' in err
    assert "martlet" not in err and "runpy" not in err


def test_a_program_that_is_not_there(tmp_path):
    out, err = run(tmp_path / "missing.py", code=2)
    assert "missing.py" in err and "Traceback" not in err


def test_the_program_may_come_from_stdin():
    out, err = run("-", text="import stackless\nprint(stackless.getcurrent().is_main)\n")
    assert out == "True\n", err


def test_help_says_how_it_is_called():
    out, err = run("--help")
    assert "martlet.stackless" in out and "program.py" in out
