"""The module itself: what it shows, its stubs, several interpreters."""

import ast
import os
import pathlib
import subprocess
import sys
import sysconfig

import martlet
import pytest


def test_everything_public_has_a_docstring():
    public = [getattr(martlet, name) for name in martlet.__all__]
    for one in public:
        assert one.__doc__
        if isinstance(one, type) and one.__module__ == "martlet":
            for name, member in vars(one).items():
                if not name.startswith("_") and callable(member):
                    assert member.__doc__, (one, name)


def definitions(nodes):
    """What stubs define, with the methods and the attributes of each class; names with an underscore are the stubs' own."""
    for node in nodes:
        if isinstance(node, ast.If):  # on the version
            yield from definitions(node.orelse)
        elif isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
            methods = {part.name for part in node.body if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef)}
            yield node.name, methods, {part.target.id for part in node.body if isinstance(part, ast.AnnAssign)}


def test_the_stubs_name_what_there_is():
    stubs = ast.parse((pathlib.Path(martlet.__file__).parent / "__init__.pyi").read_text())
    named = list(definitions(stubs.body))
    assert {name for name, _, _ in named} == set(martlet.__all__)
    for name, methods, attributes in named:
        one = getattr(martlet, name)
        if isinstance(one, type):
            missing = {method for method in methods if not hasattr(one, method)}
            assert not missing, (name, missing)
            real = {member for member in vars(one) if not member.startswith("_")}
            assert real <= methods | attributes, name
    assert (pathlib.Path(martlet.__file__).parent / "py.typed").exists()


def test_signatures_can_be_asked_for():
    import inspect

    assert str(inspect.signature(martlet.spawn)) == "(what, /, *args, name=None, pin=False, isolated=False)"
    assert str(inspect.signature(martlet.channel.send)) == "(self, value, /, timeout=None)"


def test_generic_aliases():
    assert martlet.channel[int].__origin__ is martlet.channel
    assert martlet.handle[str].__args__ == (str,)


@pytest.mark.skipif(not hasattr(sys, "_is_gil_enabled"), reason="only newer interpreters can have no lock")
def test_importing_it_does_not_turn_the_lock_on():
    program = "import sys; before = sys._is_gil_enabled(); import martlet; print(before == sys._is_gil_enabled())"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "True\n"


@pytest.mark.skipif(not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="this interpreter always has its lock on")
def test_a_lock_that_was_turned_on_is_told_and_means_one_worker():
    program = "import martlet; print(martlet.run(lambda: 42))"
    for lock, told in (("1", True), ("0", False)):
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, env=os.environ | {"PYTHON_GIL": lock}
        )
        assert done.stdout == "42\n", done.stderr
        assert ("RuntimeWarning: martlet.run: this interpreter could run on all cores" in done.stderr) == told


@pytest.mark.skipif(sys.version_info < (3, 13), reason="the module that makes interpreters has another name")
def test_interpreters_with_locks_of_their_own_have_runs_of_their_own():
    program = """
import _interpreters, threading, martlet

inner = '''
import martlet

async def relay(a, b):
    async for value in a:
        await b.asend(value + 1)
    b.close()

def produce(ch):
    for n in range(200):
        ch.send(n)
    ch.close()

async def main():
    links = [martlet.channel() for _ in range(4)]
    for a, b in zip(links, links[1:]):
        martlet.spawn(relay, a, b)
    martlet.spawn(produce, links[0])
    return [n async for n in links[-1]]

for _ in range(5):
    assert martlet.run(main, workers=2) == list(range(3, 203))
'''

def in_one():
    interpreter = _interpreters.create("isolated")
    failure = _interpreters.exec(interpreter, inner)
    _interpreters.destroy(interpreter)
    results.append(failure)

results = []
threads = [threading.Thread(target=in_one) for _ in range(3)]
for thread in threads:
    thread.start()
exec(inner)
for thread in threads:
    thread.join()
print(results)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=100)
    assert (done.stdout, done.returncode) == ("[None, None, None]\n", 0), done.stderr


def test_fifty_runs_leave_no_threads_and_no_memory():
    program = """
import gc, martlet, os, time

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

async def child(ch):
    await ch.asend([0] * 100)

def child_function(ch):
    ch.send([0] * 100)

async def main():
    ch = martlet.channel()
    for _ in range(50):
        martlet.spawn(child, ch)
        martlet.spawn(child_function, ch)
    for _ in range(100):
        await ch.areceive()

def some(runs):
    for _ in range(runs):
        martlet.run(main, workers=2)
    gc.collect()
    return resident()

some(20)
before = some(10)
after = some(50)
give_up = time.monotonic() + 10
while len(os.listdir("/proc/self/task")) > 1 and time.monotonic() < give_up:
    time.sleep(0.001)  # the kernel takes ended threads off its list a moment later
print(len(os.listdir("/proc/self/task")), (after - before) // 1024)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    threads, kibibytes = map(int, done.stdout.split())
    assert threads == 1
    assert kibibytes < 4096
