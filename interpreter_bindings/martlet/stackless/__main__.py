"""python -m martlet.stackless program.py runs an old program, for which `stackless` is martlet.stackless.

    python -m martlet.stackless program.py [arguments]    a file; also a folder or an archive with a __main__.py
    python -m martlet.stackless -m module [arguments]
    python -m martlet.stackless -c command [arguments]
    python -m martlet.stackless - [arguments]             what is read from the standard input

The program finds sys.argv, sys.path[0] and __main__ as python itself would have left them.
"""

import importlib.machinery
import io
import os
import runpy
import sys
import types

from martlet import stackless


def main():
    """Runs what the command line asks for."""
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("-h", "--help"):
        print(__doc__, file=sys.stdout if arguments else sys.stderr)
        sys.exit(0 if arguments else 2)
    sys.modules["stackless"] = stackless
    try:
        run(arguments)
    except BaseException:
        hide_this_module()
        raise


def run(arguments):
    """Runs the program that `arguments` begin with, as __main__."""
    what = arguments[0]
    sys.modules["__main__"] = module = types.ModuleType("__main__")
    module.__builtins__ = sys.modules["builtins"]
    if what in ("-c", "-m"):
        if len(arguments) == 1:
            refuse(f"Argument expected for the {what} option")
        sys.argv = [what, *arguments[2:]]
        if what == "-m":
            runpy._run_module_as_main(arguments[1])
        else:
            set_first_path("")
            execute(arguments[1] + "\n", "<string>", module)
    elif what.startswith("-") and what != "-":
        refuse(f"unknown option {what}; options of the interpreter come before -m")
    else:
        sys.argv = arguments
        if what == "-":
            set_first_path("")
            execute(sys.stdin.read(), "<stdin>", module)
        else:
            run_path(what, module)


def run_path(path, module):
    """Runs a file, or a folder or an archive that Python can import from."""
    if os.path.isdir(path) or is_archive(path):
        set_first_path(path, is_safe=True)
        runpy._run_module_as_main("__main__", alter_argv=False)
        return
    try:
        with io.open_code(path) as file:
            source = file.read()
    except OSError as error:
        refuse(f"can't open file '{os.path.abspath(path)}': [Errno {error.errno}] {error.strerror}")
    set_first_path(os.path.dirname(os.path.realpath(path)))
    module.__file__ = path
    module.__cached__ = None
    module.__loader__ = importlib.machinery.SourceFileLoader("__main__", path)
    execute(source, path, module)


def is_archive(path):
    """Returns whether Python finds modules in a file."""
    if not os.path.isfile(path):
        return False
    import zipfile

    return zipfile.is_zipfile(path)


def set_first_path(path, is_safe=False):
    """Gives sys.path the first entry that a program has, in place of the one that -m has put there."""
    if not sys.flags.safe_path:
        sys.path[0] = path
    elif is_safe:
        sys.path.insert(0, path)


def execute(source, name, module):
    """Runs a program's text."""
    exec(compile(source, name, "exec", dont_inherit=True), vars(module))


def refuse(text):
    """Ends the process as python does when it is called wrongly."""
    print(f"{sys.executable}: {text}", file=sys.stderr)
    sys.exit(2)


def hide_this_module():
    """Has an error that ends the program shown without the calls that have led to it."""
    hook = sys.excepthook
    files = {main.__code__.co_filename, runpy.run_path.__code__.co_filename}

    def show(type_, value, traceback):
        while traceback is not None and traceback.tb_frame.f_code.co_filename in files:
            traceback = traceback.tb_next
        hook(type_, value.with_traceback(traceback), traceback)

    sys.excepthook = show


if __name__ == "__main__":
    main()
