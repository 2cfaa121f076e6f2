"""The C API of martlet.stackless, through an extension module that hands its functions to Python (c_api/probe.c)."""

import importlib.machinery
import importlib.util
import pathlib
import re
import shlex
import subprocess
import sys
import sysconfig
import textwrap
import threading

import pytest
from alone import refuses

from martlet import stackless

pytestmark = pytest.mark.usefixtures("alone")

NULL = ...
HEADER = pathlib.Path(stackless.get_include()) / "martlet/stackless.h"
SOURCE = pathlib.Path(__file__).parent / "c_api/probe.c"
COMPILER = [*shlex.split(sysconfig.get_config_var("CC")), "-fPIC", "-Wall", "-Wextra", "-Werror", "-I", stackless.get_include()]
COMPILER += ["-isystem", sysconfig.get_path("include")]
if hasattr(sys, "gettotalrefcount"):  # Debian's debug build has links for headers, which g++ follows to those of the other build
    COMPILER.append("-fno-canonical-system-headers")


def compile(*arguments):
    done = subprocess.run([*COMPILER, *map(str, arguments)], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of the compiled module."""
    folder = tmp_path_factory.mktemp("c_api")
    compile("-std=c11", "-shared", SOURCE, "-o", folder / f"probe{sysconfig.get_config_var('EXT_SUFFIX')}")
    return folder


@pytest.fixture(scope="module")
def api(folder):
    """The functions of the API, by their names."""
    spec = importlib.machinery.PathFinder.find_spec("probe", [str(folder)])
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def fields():
    """Returns the names of the struct's functions."""
    return re.findall(r"^  [\w*() ]*\(\*(\w+)\)\(", HEADER.read_text().partition("typedef struct")[2], re.M)


def test_every_function_of_the_header_is_tested(api):
    assert len(fields()) > 50
    assert {name for name in vars(api) if not name.startswith("_")} == set(fields())


@pytest.mark.parametrize("language", [["-x", "c", "-std=c11", "-pedantic"], ["-x", "c++", "-std=c++20", "-pedantic"]])
def test_the_header_compiles_alone(language, tmp_path):
    alone = tmp_path / "alone"
    alone.write_text("#include <martlet/stackless.h>\n#include <martlet/stackless.h>\nint main(void) { return 0; }\n")
    compile(*language, "-fsyntax-only", alone)


def test_a_header_of_another_version_is_refused(api, monkeypatch):
    assert api._import_again()
    version, size = (int(number) for number in re.findall(r"\d+", refusal(api, monkeypatch, 2, 10_000))[:2])
    assert version == 1
    assert refusal(api, monkeypatch, 2, 10_000) == (
        f"martlet/stackless.h: version 1 of the C API with {size} bytes is expected, but version 2 with 10000 bytes is installed: "
        "install the martlet that this was compiled with, or compile it with the header of the one that is"
    )
    assert f"but version 1 with {size - 1} bytes" in refusal(api, monkeypatch, 1, size - 1)
    monkeypatch.delattr(stackless, "_C_API")
    refuses(ImportError, "martlet/stackless.h: the martlet that is installed has no C API: install a newer one", api._import_again)
    monkeypatch.setattr(stackless, "_C_API", api._pretend(1, size + 8), raising=False)
    assert api._import_again()  # what is newer has all that was there


def refusal(api, monkeypatch, version, size):
    monkeypatch.setattr(stackless, "_C_API", api._pretend(version, size))
    with pytest.raises(ImportError) as caught:
        api._import_again()
    return str(caught.value)


def kinds(name):
    """Returns what a function needs first, and what else it is given."""
    others = {
        "tasklet_bind": (len, (), NULL),
        "tasklet_setup": ((), NULL),
        "tasklet_bind_thread": (0,),
        "tasklet_throw": (ValueError, NULL, NULL, 0),
        "tasklet_raise_exception": (ValueError, NULL),
        "tasklet_kill": (0,),
        "channel_send": (1,),
        "channel_send_exception": (ValueError, NULL),
        "channel_send_throw": (ValueError, NULL, NULL),
    }
    return name.partition("_")[0], others.get(name, (1,) if "_set_" in name else ())


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in fields()
        if name.startswith(("tasklet_", "channel_")) and not name.endswith(("_new", "_check", "_spawn"))
    ],
)
def test_what_is_no_tasklet_or_channel_is_refused(api, name):
    kind, others = kinds(name)
    other = {"tasklet": stackless.channel(), "channel": stackless.tasklet()}[kind]
    for given, called in ((other, type(other).__module__ + "." + type(other).__name__), (1, "int"), (None, "NoneType"), (NULL, "NULL")):
        refuses(TypeError, f"martlet.stackless: {name} needs a {kind}, not {called}", getattr(api, name), given, *others)


def test_check_takes_anything(api):
    class derived(stackless.tasklet):
        pass

    assert [api.tasklet_check(one) for one in (derived(), stackless.channel(), 1, NULL)] == [1, 0, 0, 0]
    assert [api.channel_check(one) for one in (stackless.QueueChannel(), stackless.tasklet(), 1, NULL)] == [1, 0, 0, 0]


def test_null_keeps_the_exception_of_the_call_before(api):
    refuses(TypeError, "tasklet function must be a callable or None", api._nested)


def test_nothing_runs_while_an_exception_is_set(api):
    log, channel = [], stackless.channel()
    one = stackless.tasklet(log.append)("a")
    refuses(ValueError, "the first one", api._while_failing, one, channel, log.append)
    assert channel.closing and one.scheduled and log == []
    stackless.run()
    assert log == ["a"]


def test_making_tasklets(api):
    class derived(stackless.tasklet):
        pass

    log = []
    one = api.tasklet_new(NULL, NULL)
    assert type(one) is stackless.tasklet and not one.alive
    assert type(api.tasklet_new(derived, log.append)) is derived
    refuses(TypeError, "tasklet function must be a callable or None", api.tasklet_new, NULL, 1)
    for wrong in (int, 1):
        refuses(
            TypeError,
            f"martlet.stackless: tasklet_new needs a class derived from martlet.stackless.tasklet, not {wrong!r}",
            api.tasklet_new,
            wrong,
            NULL,
        )
    assert api.tasklet_bind(one, log.append, NULL, NULL) == 0 and not one.alive
    assert api.tasklet_setup(one, ("a",), NULL) == 0 and one.scheduled
    refuses(RuntimeError, "tasklet is alive", api.tasklet_setup, one, NULL, NULL)
    other = api.tasklet_spawn(lambda *args, **kwargs: log.append((args, kwargs)), (1,), {"b": 2})
    assert api.tasklet_spawn(lambda: log.append("c"), NULL, NULL).scheduled
    stackless.run()
    assert log == ["a", ((1,), {"b": 2}), "c"] and not other.alive
    assert api.tasklet_bind(one, log.append, ("d",), NULL) == 0 and one.paused
    one.run()
    assert log[-1] == "d"


def test_what_a_tasklet_is_made_of_is_looked_at(api):
    one = stackless.tasklet(print)
    refuses(TypeError, "martlet.stackless: tasklet_spawn needs a callable, not NULL", api.tasklet_spawn, NULL, NULL, NULL)
    refuses(TypeError, "tasklet function must be a callable or None", api.tasklet_spawn, 1, NULL, NULL)
    for call in (lambda *args: api.tasklet_spawn(print, *args), lambda *args: api.tasklet_setup(one, *args)):
        refuses(TypeError, "tasklet args must be a tuple or None", call, [], NULL)
        refuses(TypeError, "tasklet kwargs must be a dictionary or None", call, NULL, ())
    refuses(TypeError, "tasklet args must be a tuple or None", api.tasklet_bind, one, print, [], NULL)
    refuses(RuntimeError, "the tasklet was not bound to a function", api.tasklet_setup, stackless.tasklet(), NULL, NULL)
    refuses(RuntimeError, "can't (re)bind the current tasklet", api.tasklet_bind, stackless.current, print, NULL, NULL)


def test_bind_takes_away_what_has_started(api):
    log = []

    def work():
        try:
            stackless.schedule_remove()
        finally:
            log.append("finally")

    one = stackless.tasklet(work)()
    stackless.run()
    assert api.tasklet_bind(one, NULL, NULL, NULL) == 0
    assert not one.alive and log == []


def test_the_chain(api):
    log = []
    one, other = (stackless.tasklet(log.append, (name,)) for name in "ab")
    assert api.tasklet_insert(one) == 0 and api.tasklet_insert(other) == 0
    assert api.get_run_count() == 3
    assert api.tasklet_remove(one) == 0
    assert api.get_run_count() == 2
    assert api.run(0, 0) is None and log == ["b"]
    refuses(RuntimeError, "You cannot run an unbound(dead) tasklet", api.tasklet_insert, other)
    refuses(RuntimeError, "The current tasklet cannot be removed.", api.tasklet_remove, stackless.current)
    one.kill()


def test_claims_and_figures(api):
    main = stackless.current
    names = ("alive", "paused", "blocked", "scheduled", "restorable", "is_main", "is_current")

    def claims(one):
        said = {name for name in names if getattr(api, f"tasklet_{name}")(one)}
        assert said == {name for name in names if getattr(one, name)}
        return said

    channel = stackless.channel()
    one = stackless.tasklet(channel.receive)
    assert claims(one) == {"restorable"}
    one.bind(None, ())
    assert claims(one) == {"alive", "paused", "restorable"}
    one.run()
    assert claims(one) == {"alive", "blocked", "scheduled", "restorable"}
    assert "is_main" in claims(main) and api.tasklet_is_current(main) == 1
    assert api.tasklet_get_times_switched_to(one) == one.times_switched_to == 1
    assert api.tasklet_get_nesting_level(main) == main.nesting_level
    assert api.tasklet_get_recursion_depth(main) == main.recursion_depth
    assert api.tasklet_get_frame(main) is sys._getframe()
    assert api.tasklet_get_frame(stackless.tasklet()) is None
    one.kill()


@pytest.mark.parametrize("name", ["atomic", "ignore_nesting", "block_trap"])
def test_flags(api, name):
    one = stackless.tasklet()
    set_flag, get_flag = getattr(api, f"tasklet_set_{name}"), getattr(api, f"tasklet_get_{name}")
    assert [set_flag(one, 7), set_flag(one, 1), get_flag(one), getattr(one, name), set_flag(one, 0), get_flag(one)] == [0, 1, 1, True, 1, 0]


def test_run_leaves_the_caller_in_the_chain_and_switch_takes_it_out(api):
    log = []

    def work(call):
        call(other)
        log.append("back")

    other = stackless.tasklet(log.append, ("other",))
    stackless.tasklet(work)(api.tasklet_run)
    stackless.run()
    assert log == ["other", "back"]
    other = stackless.tasklet(log.append, ("other",))
    paused = stackless.tasklet(work)(api.tasklet_switch)
    stackless.run()
    assert log == ["other", "back", "other"] and paused.paused
    paused.kill()
    refuses(RuntimeError, "You cannot run an unbound(dead) tasklet", api.tasklet_run, other)
    refuses(RuntimeError, "You cannot run an unbound(dead) tasklet", api.tasklet_switch, other)


def test_raising_in_a_tasklet(api):
    caught = []

    def work():
        while True:
            try:
                stackless.schedule_remove()
            except Exception as error:
                caught.append((type(error), error.args))

    one = stackless.tasklet(work)()
    stackless.run()
    assert api.tasklet_throw(one, ValueError("a"), NULL, NULL, 0) == 0
    assert api.tasklet_throw(one, ValueError, "b", NULL, 1) == 0 and len(caught) == 1
    stackless.run()
    assert api.tasklet_raise_exception(one, KeyError, ("c", 1)) == 0
    assert api.tasklet_raise_exception(one, KeyError, NULL) == 0
    assert caught == [(ValueError, ("a",)), (ValueError, ("b",)), (KeyError, ("c", 1)), (KeyError, ())]
    assert api.tasklet_kill(one, 1) == 0 and one.alive
    assert api.tasklet_kill(one, 0) == 0 and not one.alive
    assert api.tasklet_kill(one, 0) == 0
    refuses(RuntimeError, "You cannot throw to a dead tasklet", api.tasklet_throw, one, ValueError, NULL, NULL, 0)
    stackless.run()


def test_what_is_raised_is_looked_at(api):
    one, channel = stackless.tasklet(), stackless.channel()
    throws = (lambda *args: api.tasklet_throw(one, *args, 0), lambda *args: api.channel_send_throw(channel, *args))
    raises = (lambda *args: api.tasklet_raise_exception(one, *args), lambda *args: api.channel_send_exception(channel, *args))
    for throw, name in zip(throws, ("tasklet_throw", "channel_send_throw")):
        refuses(TypeError, f"martlet.stackless: {name} needs an exception, not NULL", throw, NULL, NULL, NULL)
        refuses(TypeError, "exceptions must be classes, or instances, not int", throw, 1, NULL, NULL)
        refuses(TypeError, "instance exception may not have a separate value", throw, ValueError(), 1, NULL)
        refuses(TypeError, "third argument must be a traceback object", throw, ValueError, NULL, 1)
    for throw, name in zip(raises, ("tasklet_raise_exception", "channel_send_exception")):
        refuses(TypeError, f"martlet.stackless: {name} needs a class of exceptions, not NULL", throw, NULL, NULL)
        dotted = name.replace("_", ".", 1)
        refuses(TypeError, f"{dotted} needs Exception or string subclass as first parameter", throw, 1, NULL)


def test_another_thread(api):
    log, go_on, ready = [], threading.Event(), threading.Event()

    def work():
        stackless.getmain()
        ready.set()
        go_on.wait()
        stackless.run()

    thread = threading.Thread(target=work)
    thread.start()
    ready.wait()
    one = stackless.tasklet(lambda: log.append(threading.get_ident()), ())
    assert api.tasklet_bind_thread(one, thread.ident) == 0
    assert api.tasklet_bind_thread(one, thread.ident) == 0
    refuses(RuntimeError, "can't switch to a different thread.", api.tasklet_switch, one)
    assert api.tasklet_insert(one) == 0
    refuses(ValueError, "bad thread", api.tasklet_bind_thread, stackless.tasklet(), 1)
    go_on.set()
    ident = thread.ident
    thread.join()
    assert log == [ident]


def test_channels(api):
    class derived(stackless.channel):
        pass

    assert type(api.channel_new(NULL)) is stackless.channel
    assert type(api.queue_channel_new()) is stackless.QueueChannel
    channel = api.channel_new(derived)
    assert type(channel) is derived
    for wrong in (int, 1):
        refuses(
            TypeError,
            f"martlet.stackless: channel_new needs a class derived from martlet.stackless.channel, not {wrong!r}",
            api.channel_new,
            wrong,
        )
    log = []
    receiver = stackless.tasklet(lambda: log.extend(channel))()
    stackless.run()
    assert api.channel_get_balance(channel) == -1
    assert api.channel_get_queue(channel) is receiver
    assert api.channel_send(channel, "a") == 0
    refuses(TypeError, "martlet.stackless: channel_send needs a value, not NULL", api.channel_send, channel, NULL)
    assert api.channel_send_exception(channel, StopIteration, NULL) == 0
    assert log == ["a"] and not receiver.alive and api.channel_get_queue(channel) is None
    stackless.tasklet(api.channel_send_throw)(channel, ValueError, "b", NULL)
    stackless.tasklet(api.channel_send_exception)(channel, KeyError, ("c",))
    stackless.tasklet(api.channel_send)(channel, "d")
    stackless.run()
    assert api.channel_get_balance(channel) == 3
    refuses(ValueError, "b", api.channel_receive, channel)
    refuses(KeyError, "'c'", api.channel_receive, channel)
    assert api.channel_receive(channel) == "d"
    stackless.run()
    refuses(RuntimeError, "Deadlock: the last runnable tasklet cannot be blocked.", api.channel_receive, channel)
    refuses(RuntimeError, "Deadlock: the last runnable tasklet cannot be blocked.", api.channel_send, channel, 1)


def test_properties_of_channels(api):
    channel = stackless.channel()
    assert (api.channel_is_closing(channel), api.channel_is_closed(channel)) == (0, 0)
    sender = stackless.tasklet(channel.send)(1)
    stackless.run()
    assert api.channel_close(channel) == 0
    assert (api.channel_is_closing(channel), api.channel_is_closed(channel)) == (1, 0)
    assert api.channel_receive(channel) == 1
    assert api.channel_is_closed(channel) == 1
    refuses(ValueError, "Send/receive operation on a closed channel", api.channel_receive, channel)
    assert api.channel_open(channel) == 0 and not channel.closing
    assert api.channel_get_preference(channel) == -1
    for given, kept in ((5, 1), (0, 0), (-5, -1)):
        assert api.channel_set_preference(channel, given) == 0
        assert api.channel_get_preference(channel) == channel.preference == kept
    assert api.channel_get_schedule_all(channel) == 0
    assert api.channel_set_schedule_all(channel, 2) == 0
    assert api.channel_get_schedule_all(channel) == channel.schedule_all == 1
    stackless.run()
    assert not sender.alive


def test_the_thread(api):
    assert api.get_current() is api.get_main() is stackless.main
    assert api.get_run_count() == 1
    assert api.get_tasklet_exit() is TaskletExit  # noqa: F821
    made, there = api.get_all_time_tasklet_count(), api.get_active_tasklet_count()
    some = [stackless.tasklet() for _ in range(3)]
    assert api.get_all_time_tasklet_count() == made + 3
    assert api.get_active_tasklet_count() == there + 3
    some.clear()
    assert api.get_active_tasklet_count() == there
    one = stackless.tasklet(print)()
    assert [api.switch_trap(1), api.switch_trap(0)] == [0, 1]
    refuses(RuntimeError, "switch_trap", api.run, 0, 0)
    assert api.switch_trap(-1) == 1
    one.remove()
    one.bind(None)


def test_schedule(api):
    log = []
    stackless.tasklet(log.append)("a")
    assert api.schedule("value", 0) == "value" and log == ["a"]
    assert api.schedule(NULL, 0) is None
    one = stackless.tasklet(lambda: log.append(api.schedule(NULL, 1)))()
    stackless.run()
    assert log == ["a"] and one.paused
    one.tempval = "given"
    one.run()
    assert log == ["a", "given"]


def test_run(api):
    def think():
        while True:
            for _ in range(1000):
                pass
            stackless.schedule()

    one = stackless.tasklet(think)()
    assert api.run(100, 8) is one and one.paused
    one.insert()
    assert api.run(100, 2) is None and one.alive
    one.kill()
    one = stackless.tasklet(lambda: sorted([1], key=lambda _: think()))()
    assert api.run(100, 4) is one and one.nesting_level == 1
    one.kill()
    log = []
    thread = threading.Thread(target=lambda target: target.insert(), args=(stackless.tasklet(log.append, ("elsewhere",)),))
    thread.start()
    while not log:
        api.run(0, 1)
    thread.join()
    refuses(ValueError, "martlet.stackless: run knows the flags 15, not 16", api.run, 0, 16)
    stackless.tasklet(lambda: 1 / 0)()
    refuses(ZeroDivisionError, "division by zero", api.run, 0, 0)
    log.clear()
    for name in "abc":
        stackless.tasklet(log.append)(name)
    assert api.run_n_tasklets(2) == 0 and log == ["a", "b"]
    assert api.run(0, 0) is None and log == ["a", "b", "c"]
    refuses(
        RuntimeError, "Invalid number: Number of Tasklets to run must be greater than 0.", api.run_n_tasklets, 0
    )


@pytest.mark.parametrize("name", ["set_schedule_callback", "set_channel_callback", "set_error_handler"])
def test_callbacks_of_c(api, name):
    log = []
    function, set_hook = api.callable_new(1, log), getattr(api, name)
    assert set_hook(function) is None
    channel = stackless.channel()

    def fails():
        channel.receive()
        raise ValueError("a")

    one = stackless.tasklet(fails)()
    one.run()
    if name != "set_error_handler":
        stackless.set_error_handler(lambda *error: None)
    channel.send(1)
    assert set_hook(NULL) is function and set_hook(None) is None
    expected = {
        "set_schedule_callback": [(stackless.current, one), (one, stackless.current)],
        "set_channel_callback": [(channel, one, 0, 1), (channel, stackless.current, 1, 0)],
        "set_error_handler": [(ValueError,)],
    }[name]
    assert [args[: len(expected[0])] for args in log[: len(expected)]] == expected
    if name != "set_error_handler":
        stackless.set_error_handler(None)
        for wrong in (1, (print,)):
            refuses(TypeError, f"{name[4:].replace('_', ' ')} must be callable", set_hook, wrong)


def test_functions_of_c(api):
    log = []
    function = api.callable_new(1, log)
    function(1, 2)
    api.tasklet_spawn(function, ("a",), NULL)
    stackless.run()
    with pytest.raises(TypeError):
        function(key=1)
    del function
    assert log == [(1, 2), ("a",), "gone"]
    refuses(TypeError, "martlet.stackless: callable_new needs a function, not NULL", api.callable_new, NULL, log)
    assert log[3:] == ["gone"]
    refuses(
        SystemError, "a function of callable_new returned NULL without setting an exception", api.callable_new(None, log)
    )


def test_a_tasklet_of_c_waits_in_the_middle_of_its_function(api):
    source, target = stackless.channel(), stackless.QueueChannel()
    one = api._spawn_doubler(source, target)
    stackless.run()
    for number in range(10):
        source.send(number)
    stackless.run()
    assert [target.receive() for _ in range(10)] == [2 * number for number in range(10)]
    assert one.blocked and one.frame is None
    one.kill()
    assert not one.alive


def test_a_function_of_c_that_catches_its_end_goes_on(api):
    one = api._spawn_stubborn()
    stackless.run()
    refuses(RuntimeError, "tasklet has C state on its stack", api.tasklet_bind, one, print, NULL, NULL)
    assert one.paused
    assert api.tasklet_kill(one, 0) == 0 and one.alive
    assert api.tasklet_kill(one, 0) == 0 and not one.alive


def test_it_is_refused_inside_of_martlets_own_tasklets(api):
    import martlet

    channel = stackless.channel()
    for call in (lambda: api.run(0, 0), lambda: api.get_current(), lambda: api.channel_receive(channel)):
        with pytest.raises(RuntimeError, match="this thread runs tasklets of martlet.run"):
            martlet.run(call, workers=1)


def test_every_interpreter_has_its_own(folder):
    """What is not imported there is told, and what is works."""
    program = """
        import sys, importlib.machinery, importlib.util
        def load():
            spec = importlib.machinery.PathFinder.find_spec("probe", [sys.argv[1]])
            api = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(api)
            return api

        api = load()
        native = sys.modules.pop("martlet._stackless")
        try:
            api.tasklet_new(..., ...)
        except RuntimeError as error:
            print(error)
        print(api.tasklet_check(1))
        sys.modules["martlet._stackless"] = native
        log = []
        api.tasklet_spawn(log.append, ("a",), ...)
        api.run(0, 0)
        print(log)
    """
    command = [sys.executable, "-X", "faulthandler", "-c", textwrap.dedent(program), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stdout == "martlet.stackless: this interpreter has not imported it\n0\n['a']\n", done.stderr
    assert done.returncode == 0
