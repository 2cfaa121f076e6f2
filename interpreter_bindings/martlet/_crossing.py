"""How values cross from one interpreter to another.

What pickle knows is copied. Memoryviews stay where they are and are read from there; isolated channels are the same ones
on both sides. Both are put beside what pickle writes, by their number.
"""

import io
import os
import pickle
import runpy
import sys
import types
from functools import partial

from martlet._martlet import Misuse, channel, parcel

_NATIVE_FORMATS = frozenset("@" + code for code in "?cbBhHiIlLqQnNfdP") | frozenset("?cbBhHiIlLqQnNfdP")
_MAIN = ("__main__", "__mp_main__")  # the second is what multiprocessing calls a main module that was imported again


class _Packer(pickle.Pickler):
    def __init__(self, file):
        super().__init__(file, 5)
        self.beside = []

    def reducer_override(self, what):
        kind = type(what)
        if kind is channel:
            if not what.isolated:
                raise TypeError("a channel that goes to another interpreter is made with channel(isolated=True)")
            return _channel_beside, (self._put_beside(what),)
        if kind is parcel:
            return _channel_beside, (self._put_beside(what),)
        if kind is memoryview:
            return _view_beside, self._lend(what)
        if isinstance(what, (type, types.FunctionType)) and what.__module__ in _MAIN and not _can_import_main():
            raise TypeError(f"{what.__qualname__} was typed in, and has to be imported there; put it into a file")
        return NotImplemented

    def _put_beside(self, what):
        self.beside.append(what)
        return len(self.beside) - 1

    def _lend(self, view):
        if not view.c_contiguous:
            raise TypeError("a memoryview crosses as one piece of memory, in C's order; make a contiguous one first")
        if view.format not in _NATIVE_FORMATS:
            raise TypeError(f"a memoryview crosses with one of the native formats; its format is {view.format!r}")
        if view.nbytes == 0 and (view.format, view.ndim) != ("B", 1):
            raise TypeError("an empty memoryview crosses as one of bytes; make it one with memoryview(b'')")
        return self._put_beside(view), view.format, view.shape


def _channel_beside(number):
    raise AssertionError("only an unpacker has what lies beside")


def _view_beside(number, form, shape):
    raise AssertionError("only an unpacker has what lies beside")


class _Unpacker(pickle.Unpickler):
    def __init__(self, file, beside):
        super().__init__(file)
        # It remembers what find_class returns, which therefore must not lead back to it: a view would live until a collection.
        self._makers = {"_channel_beside": beside.__getitem__, "_view_beside": partial(_view_of, beside)}

    def find_class(self, module, name):
        if module == __name__:
            return self._makers[name]
        if module in _MAIN:
            load_main()
        return super().find_class(module, name)


def _view_of(beside, number, form, shape):
    flat = memoryview(beside[number])
    return flat if (form, len(shape)) == ("B", 1) else flat.cast("B").cast(form, shape)


def pack(value):
    """Called by the native part; returns the bytes and the list of what lies beside."""
    file = io.BytesIO()
    packer = _Packer(file)
    try:
        packer.dump(value)
    except Exception as error:  # pickle has three of its own, and runs what the objects' classes say
        raise Misuse(
            f"this cannot cross into another interpreter: {error}. What can: functions and classes that a module "
            "defines, data that pickle knows, memoryviews, channels made with isolated=True"
        ) from error
    return file.getvalue(), packer.beside


def unpack(data, beside):
    """The reverse, in the other interpreter."""
    try:
        return _Unpacker(io.BytesIO(data), beside).load()
    except (StopIteration, StopAsyncIteration) as error:
        raise RuntimeError(f"a value that was received could not be made: {error!r}") from error  # and no loop's end


_where_main_is = None  # in an isolated worker: how to import it; ("path" or "name", its value)


def describe_main():
    """Returns how the program's main module can be imported again, None where it cannot: it was typed in."""
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name != "__main__":
        return ("name", spec.name)
    path = getattr(main, "__file__", None)
    return ("path", path) if path is not None and os.path.isfile(path) else None


def _can_import_main():
    return "__mp_main__" in sys.modules or describe_main() is not None


def expect_main(where):
    """Says how to import it, in an isolated worker."""
    global _where_main_is
    _where_main_is = where


def load_main():
    """Makes the main module known under both of its names, importing it in an isolated worker when it is asked for first."""
    global _where_main_is
    if _where_main_is is None:
        sys.modules.setdefault("__mp_main__", sys.modules["__main__"])
        return
    kind, value = _where_main_is
    run = runpy.run_module if kind == "name" else runpy.run_path
    main = types.ModuleType("__mp_main__")
    try:
        main.__dict__.update(run(value, run_name="__mp_main__"))
    except BaseException as error:
        error.add_note(
            "The main module was imported again, for an isolated worker: what it does as a program has to stand under "
            "if __name__ == '__main__':"
        )
        raise
    if _where_main_is is not None:  # nobody else was quicker
        _where_main_is = None
        sys.modules["__main__"] = sys.modules["__mp_main__"] = main
