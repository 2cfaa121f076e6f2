"""martlet.stackless: context variables, trace and profile functions belong to a tasklet."""

import contextvars
import sys
import threading

import pytest

from alone import refuses
from martlet import stackless

pytestmark = pytest.mark.usefixtures("alone")

variable = contextvars.ContextVar("variable", default="default")


def test_a_tasklet_has_the_context_in_which_it_was_bound():
    seen = []

    def test():
        variable.set("at the bind")
        one = stackless.tasklet(lambda: seen.append(variable.get()))
        assert one.context_id == stackless.getcurrent().context_id
        one()
        stackless.run()

    contextvars.Context().run(test)
    assert seen == ["at the bind"]


def test_it_is_the_same_context_and_no_copy():
    seen = []

    def test():
        def changes():
            variable.set("changed")
            seen.append(stackless.getcurrent().context_id)

        stackless.tasklet(changes)()
        stackless.run()
        seen.append(variable.get())
        seen.append(stackless.getcurrent().context_id)

    contextvars.Context().run(test)
    assert seen[1] == "changed" and seen[0] == seen[2]


def test_set_context_gives_a_tasklet_another_one():
    seen = []

    def reads():
        for _ in range(3):
            seen.append(variable.get())
            variable.set(variable.get() + "+")
            stackless.schedule()

    before = variable.set("mine")
    for name in "ab":
        context = contextvars.Context()
        context.run(variable.set, name)
        one = stackless.tasklet(reads)
        assert one.set_context(context) is one
        one()
    stackless.run()
    seen.append(variable.get())
    variable.reset(before)
    assert seen == ["a", "b", "a+", "b+", "a++", "b++", "mine"]


def test_what_is_no_context_is_refused():
    one = stackless.tasklet(len)
    for wrong in None, 5, {}:
        with pytest.raises(TypeError):
            one.set_context(wrong)
    with pytest.raises(TypeError):
        one.set_context()


def test_an_entered_context_cannot_be_replaced():
    def test():
        refuses(
            RuntimeError,
            "the current context of the tasklet has been entered.",
            stackless.getcurrent().set_context,
            contextvars.Context(),
        )

    contextvars.Context().run(test)

    def waits():
        contextvars.Context().run(stackless.schedule_remove)

    one = stackless.tasklet(waits)
    one.set_context(contextvars.Context())
    one()
    stackless.run()
    refuses(RuntimeError, "the current context of the tasklet has been entered.", one.set_context, contextvars.Context())
    one.kill()


def test_the_current_tasklet_may_take_another_context():
    seen = []

    def changes():
        context = contextvars.Context()
        context.run(variable.set, "other")
        stackless.getcurrent().set_context(context)
        seen.append(variable.get())
        stackless.schedule()
        seen.append(variable.get())

    one = stackless.tasklet(changes)
    one.set_context(contextvars.Context())
    one()
    stackless.run()
    assert seen == ["other", "other"]


def test_context_run_calls_in_the_context_of_a_tasklet():
    context = contextvars.Context()
    context.run(variable.set, "its own")
    one = stackless.tasklet(len)
    one.set_context(context)
    before = variable.get()
    assert one.context_run(variable.get) == "its own"
    assert one.context_run(lambda a, b: (a, b, variable.get()), 1, b=2) == (1, 2, "its own")
    one.context_run(variable.set, "changed")
    assert context[variable] == "changed" and variable.get() == before
    with pytest.raises(ZeroDivisionError):
        one.context_run(lambda: 1 / 0)
    assert variable.get() == before
    refuses(TypeError, "run() missing 1 required positional argument", one.context_run)
    with pytest.raises(TypeError):
        one.context_run(5)


def test_one_switches_inside_of_context_run():
    seen = []
    holder = stackless.tasklet(len)
    context = contextvars.Context()
    context.run(variable.set, "held")
    holder.set_context(context)

    def inside():
        seen.append(variable.get())
        stackless.schedule()
        seen.append(variable.get())

    def outside():
        holder.context_run(inside)
        seen.append(variable.get())

    def other():
        seen.append(variable.get())

    for what in outside, other:
        one = stackless.tasklet(what)
        one.set_context(contextvars.Context())
        one()
    stackless.run()
    assert seen == ["held", "default", "held", "default"]


def test_context_ids_tell_contexts_apart():
    a, b = stackless.tasklet(len), stackless.tasklet(len)
    assert a.context_id == b.context_id
    b.set_context(contextvars.Context())
    assert a.context_id != b.context_id


def test_the_context_of_another_threads_tasklet():
    seen = []
    context = contextvars.Context()
    context.run(variable.set, "given")
    ready, go = threading.Event(), threading.Event()

    def elsewhere():
        one = stackless.tasklet(lambda: seen.append(variable.get()))()
        seen.append(one)
        ready.set()
        go.wait()
        stackless.run()

    there = threading.Thread(target=elsewhere)
    there.start()
    ready.wait()
    one = seen.pop()
    refuses(RuntimeError, "tasklet belongs to a different thread", one.set_context, context)
    one.remove()
    one.set_context(context)
    one.insert()
    del one
    go.set()
    there.join()
    assert seen == ["given"]


# tracing


def traced(events):
    def trace(frame, event, argument):
        if frame.f_code.co_name in ("task", "inner"):
            events.append((frame.f_code.co_name, event))
            return trace
        return None

    return trace


@pytest.fixture(autouse=True)
def same_functions_afterwards():
    before = sys.gettrace(), sys.getprofile()
    yield
    sys.settrace(before[0])
    sys.setprofile(before[1])


def test_a_trace_function_belongs_to_its_tasklet():
    events, seen = [], []

    def inner():
        pass

    def task():
        seen.append(sys.gettrace())
        inner()
        stackless.schedule()
        seen.append(sys.gettrace())
        inner()

    trace = traced(events)
    one = stackless.tasklet(task)()
    other = stackless.tasklet(task)()
    assert one.trace_function is None
    one.trace_function = trace
    assert one.trace_function is trace and other.trace_function is None
    stackless.run()
    assert seen == [trace, None, trace, None]
    assert events.count(("inner", "call")) == 2
    assert sys.gettrace() is None or sys.gettrace() is not trace


def test_settrace_in_a_tasklet_ends_with_it():
    events, seen = [], []
    trace = traced(events)

    def inner():
        pass

    def task():
        sys.settrace(trace)
        inner()
        seen.append(stackless.getcurrent().trace_function)
        stackless.schedule()
        inner()

    def other():
        inner()
        seen.append(sys.gettrace())

    one = stackless.tasklet(task)()
    stackless.tasklet(other)()
    mine = sys.gettrace()
    stackless.schedule()
    assert one.trace_function is trace and sys.gettrace() is mine
    stackless.run()
    assert seen == [trace, None]
    assert events.count(("inner", "call")) == 2
    assert sys.gettrace() is mine and one.trace_function is None


def test_a_profile_function_belongs_to_its_tasklet():
    events = []

    def profile(frame, event, argument):
        events.append((frame.f_code.co_name, event))

    def inner():
        pass

    def task():
        inner()
        stackless.schedule()
        inner()

    one = stackless.tasklet(task)()
    stackless.tasklet(task)()
    one.profile_function = profile
    assert one.profile_function is profile
    stackless.run()
    assert events.count(("inner", "call")) == events.count(("inner", "return")) == 2
    assert one.profile_function is None


def test_the_functions_of_the_current_tasklet_are_those_of_sys():
    main = stackless.getcurrent()
    before = sys.gettrace(), sys.getprofile()

    def nothing(frame, event, argument):
        return None

    try:
        main.trace_function = nothing
        assert sys.gettrace() is nothing and main.trace_function is nothing
        main.profile_function = nothing
        assert sys.getprofile() is nothing
        main.trace_function = main.profile_function = None
        assert sys.gettrace() is sys.getprofile() is None
    finally:
        main.trace_function, main.profile_function = before


def test_the_functions_of_another_threads_current_tasklet_cannot_be_set():
    ready, go, seen = threading.Event(), threading.Event(), []

    def elsewhere():
        seen.append(stackless.getcurrent())
        ready.set()
        go.wait()

    there = threading.Thread(target=elsewhere)
    there.start()
    ready.wait()
    one = seen.pop()
    for name in "trace", "profile":
        with pytest.raises(RuntimeError, match=f"^You cannot set the {name} function of the current tasklet of another thread$"):
            setattr(one, f"{name}_function", len)
    del one
    go.set()
    there.join()


def test_a_tasklet_may_be_switched_to_inside_of_a_trace_function():
    log = []

    def helper():
        log.append("helper")

    def trace(frame, event, argument):
        name = frame.f_code.co_name
        if event == "call":
            log.append(f"call of {name}")
        if name == "task":
            stackless.tasklet(log.append)("from the trace function").run()
            helper()  # which is not traced, as nothing is that a trace function calls
        return None

    def task():
        log.append("task")

    one = stackless.tasklet(task)()
    one.trace_function = trace
    stackless.run()
    assert log == ["call of task", "from the trace function", "helper", "task"]
