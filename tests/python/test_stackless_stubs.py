"""The type stubs of martlet.stackless name what there is, with its signatures."""

import ast
import inspect
import pathlib
import types

import pytest

from martlet import stackless

STUBS = ast.parse((pathlib.Path(stackless.__file__).parent / "__init__.pyi").read_text())
NOTHING = set(dir(types.ModuleType("nothing")))


def public(names):
    return {name for name in names if not name.startswith("_")}


def is_property(function):
    return any(isinstance(one, ast.Name) and one.id == "property" for one in function.decorator_list)


def members(stub):
    """Returns a class's stubs: of its methods, by name, and the names of its attributes."""
    functions = [part for part in stub.body if isinstance(part, ast.FunctionDef)]
    methods = {one.name: one for one in functions if not is_property(one)}
    assigned = {part.target.id for part in stub.body if isinstance(part, ast.AnnAssign)}
    return methods, assigned | {one.name for one in functions if is_property(one)}


def parameters(function, is_method=False):
    """What a caller has to know of a function: the name, the kind and the default of each parameter, as text."""
    given = function.args
    for one in [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]:
        if one is not None:
            one.annotation = None
    text = ast.unparse(given)
    if is_method:
        text = text.removeprefix("self").removeprefix(", ").removeprefix("/").removeprefix(", ")
    return text


def of_docstring(one):
    """The same of what there is."""
    text = one.__text_signature__ if not inspect.isfunction(one) else str(inspect.signature(one))
    return parameters(ast.parse(f"def function{text}: ...").body[0])


def agree(stub, one, is_method=False):
    written, real = parameters(stub, is_method), of_docstring(one)
    # What the stub cannot say, since it is another value each time.
    assert written.replace("retval=...", "retval=stackless.current") == real, stub.name


def test_every_public_name_has_a_stub_and_every_stub_a_name():
    here = public(set(dir(stackless)) | set(dir(type(stackless)))) - NOTHING
    modules = {name for name in here if isinstance(getattr(stackless, name), types.ModuleType)} - {"stackless"}
    stubs = set()
    for node in STUBS.body:
        if isinstance(node, ast.AnnAssign):
            stubs.add(node.target.id)
        elif isinstance(node, ast.ClassDef | ast.FunctionDef):
            stubs.add(node.name)
        elif isinstance(node, ast.ImportFrom):
            stubs |= {one.asname for one in node.names if one.asname is not None}
    assert public(stubs) == here - modules


def test_every_attribute_of_a_class_has_a_stub_and_every_stub_an_attribute():
    for node in STUBS.body:
        if isinstance(node, ast.ClassDef):
            methods, attributes = members(node)
            one = getattr(stackless, node.name)
            real = public(vars(one))
            assert public(set(methods) | attributes) == real, node.name
            assert all(hasattr(one, name) for name in methods), node.name
            assert all(callable(vars(one)[name]) == (name in methods) for name in real), node.name


def test_what_can_be_set_is_no_property_in_the_stubs():
    for node in STUBS.body:
        if isinstance(node, ast.ClassDef):
            one = getattr(stackless, node.name)()
            for part in node.body:
                if isinstance(part, ast.FunctionDef) and is_property(part):
                    with pytest.raises(AttributeError):
                        setattr(one, part.name, None)
                if isinstance(part, ast.AnnAssign):
                    setattr(one, part.target.id, getattr(one, part.target.id))


def test_signatures_are_those_of_the_docstrings():
    for node in STUBS.body:
        if isinstance(node, ast.FunctionDef):
            agree(node, getattr(stackless, node.name))
        elif isinstance(node, ast.ClassDef):
            one = getattr(stackless, node.name)
            methods, _ = members(node)
            for name in public(methods):
                agree(methods[name], getattr(one, name), is_method=True)
            if "__init__" in methods:
                agree(methods["__init__"], one, is_method=True)


def test_everything_has_a_docstring():
    for node in STUBS.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            one = getattr(stackless, node.name)
            assert one.__doc__, node.name
            if isinstance(node, ast.ClassDef):
                assert all(vars(one)[name].__doc__ for name in public(vars(one))), node.name


def test_channels_are_generic_when_the_program_runs_too():
    assert stackless.channel[int].__origin__ is stackless.channel
    one = stackless.QueueChannel[str]()
    one.send("a text")
    assert one.receive() == "a text"
