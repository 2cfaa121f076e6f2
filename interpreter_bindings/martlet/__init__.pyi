from collections.abc import Callable, Coroutine, Generator
from types import GenericAlias, TracebackType
from typing import Any, Final, Generic, Literal, Self, TypeVar, final, overload

__all__ = [
    "Cancelled",
    "ChannelClosed",
    "DeadlinePassed",
    "Deadlock",
    "Misuse",
    "aselect",
    "asleep",
    "ayield",
    "channel",
    "current",
    "explore",
    "handle",
    "operation",
    "run",
    "scope",
    "select",
    "selected",
    "simulate",
    "simulation",
    "sleep",
    "spawn",
    "yield_",
]

_T = TypeVar("_T")
_T_co = TypeVar("_T_co", covariant=True)
_D = TypeVar("_D")

class Cancelled(BaseException):
    """Raised by a wait whose tasklet was asked to stop."""

    case: int

class DeadlinePassed(TimeoutError):
    """Raised by a wait that took longer than it was allowed to."""

class ChannelClosed(Exception):
    """Raised by a send into a closed channel, and by a receive from one that is also empty."""

    case: int

class Deadlock(RuntimeError):
    """Raised by a simulation in which nothing can run any more."""

class Misuse(RuntimeError):
    """Raised where martlet is used in a way that cannot work; the text says what to do instead."""

@final
class operation(Generic[_T_co]):
    """Something that can be awaited in a coroutine tasklet, once, or handed to a select."""

    def __await__(self) -> Generator[Any, None, _T_co]: ...
    def __iter__(self) -> Self: ...
    def __next__(self) -> Self: ...
    @classmethod
    def __class_getitem__(cls, item: Any, /) -> GenericAlias: ...

@final
class handle(Generic[_T_co]):
    """A tasklet, as spawn gives it: the right to ask about it, to wait for it, to stop it."""

    @property
    def state(self) -> Literal["queued", "running", "blocked", "done", "failed"]: ...
    @property
    def name(self) -> str: ...
    @property
    def spawned_at(self) -> str: ...
    def join(self, timeout: float | None = None) -> _T_co: ...
    def ajoin(self, timeout: float | None = None) -> operation[_T_co]: ...
    def __await__(self) -> Generator[Any, None, _T_co]: ...
    def done(self) -> bool: ...
    def cancel(self) -> None: ...
    @classmethod
    def __class_getitem__(cls, item: Any, /) -> GenericAlias: ...

@final
class channel(Generic[_T]):
    """Carries values from tasklet to tasklet, of both kinds, and from and to threads."""

    def __new__(cls, capacity: int = 0) -> Self: ...
    def send(self, value: _T, /, timeout: float | None = None) -> None: ...
    def asend(self, value: _T, /, timeout: float | None = None) -> operation[None]: ...
    def try_send(self, value: _T, /) -> bool: ...
    def receive(self, timeout: float | None = None) -> _T: ...
    def areceive(self, timeout: float | None = None) -> operation[_T]: ...
    @overload
    def try_receive(self) -> _T | None: ...
    @overload
    def try_receive(self, default: _D) -> _T | _D: ...
    def close(self) -> None: ...
    @property
    def closed(self) -> bool: ...
    @property
    def balance(self) -> int: ...
    @property
    def capacity(self) -> int: ...
    def __iter__(self) -> Self: ...
    def __next__(self) -> _T: ...
    def __aiter__(self) -> Self: ...
    def __anext__(self) -> operation[_T]: ...
    @classmethod
    def __class_getitem__(cls, item: Any, /) -> GenericAlias: ...

@final
class scope:
    """Owns the tasklets that are spawned in it: none outlives its block."""

    def __new__(cls) -> Self: ...
    @overload
    def spawn(self, what: Coroutine[Any, Any, _T], /, *, name: str | None = None) -> handle[_T]: ...
    @overload
    def spawn(
        self, what: Callable[..., Coroutine[Any, Any, _T]], /, *args: Any, name: str | None = None
    ) -> handle[_T]: ...
    @overload
    def spawn(self, what: Callable[..., _T], /, *args: Any, name: str | None = None) -> handle[_T]: ...
    def cancel(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> bool: ...
    def __aenter__(self) -> operation[Self]: ...
    def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> operation[bool]: ...

@final
class selected(tuple[int, Any]):
    """What a select tells: which case was done, and what it gave."""

    @property
    def case(self) -> int: ...
    @property
    def value(self) -> Any: ...
    __match_args__: Final = ("case", "value")
    n_fields: Final = 2
    n_sequence_fields: Final = 2
    n_unnamed_fields: Final = 0

_strategy = Literal["uniform", "pct", "round_robin", "replay", "follow"]

@final
class simulation:
    """Runs programs on one thread, in an order that a seed chooses, in virtual time."""

    def __new__(
        cls,
        seed: int = ...,
        *,
        strategy: _strategy | None = None,
        depth: int = 3,
        expected_steps: int = 1000,
        schedule: str | None = None,
        most_steps: int = 100_000_000,
    ) -> Self: ...
    @overload
    def run(self, main: Coroutine[Any, Any, _T], /) -> _T: ...
    @overload
    def run(self, main: Callable[..., Coroutine[Any, Any, _T]], /, *args: Any) -> _T: ...
    @overload
    def run(self, main: Callable[..., _T], /, *args: Any) -> _T: ...
    @property
    def seed(self) -> int: ...
    @property
    def hash(self) -> int: ...
    @property
    def steps(self) -> int: ...
    @property
    def elapsed(self) -> float: ...
    @property
    def schedule(self) -> str: ...

_case = channel[Any] | handle[Any] | operation[Any]

@overload
def run(main: Coroutine[Any, Any, _T], /, *, workers: int | None = None) -> _T: ...
@overload
def run(main: Callable[..., Coroutine[Any, Any, _T]], /, *args: Any, workers: int | None = None) -> _T: ...
@overload
def run(main: Callable[..., _T], /, *args: Any, workers: int | None = None) -> _T: ...
@overload
def simulate(
    main: Coroutine[Any, Any, _T],
    /,
    *,
    seed: int = ...,
    strategy: _strategy | None = None,
    depth: int = 3,
    expected_steps: int = 1000,
    schedule: str | None = None,
    most_steps: int = 100_000_000,
) -> _T: ...
@overload
def simulate(
    main: Callable[..., Coroutine[Any, Any, _T]],
    /,
    *args: Any,
    seed: int = ...,
    strategy: _strategy | None = None,
    depth: int = 3,
    expected_steps: int = 1000,
    schedule: str | None = None,
    most_steps: int = 100_000_000,
) -> _T: ...
@overload
def simulate(
    main: Callable[..., _T],
    /,
    *args: Any,
    seed: int = ...,
    strategy: _strategy | None = None,
    depth: int = 3,
    expected_steps: int = 1000,
    schedule: str | None = None,
    most_steps: int = 100_000_000,
) -> _T: ...
def explore(
    main: Callable[[], Any],
    /,
    *,
    schedules: int = 10_000,
    first_seed: int = 1,
    most_steps: int = 1_000_000,
    shrinking: int = 2_000,
) -> int: ...
@overload
def spawn(what: Coroutine[Any, Any, _T], /, *, name: str | None = None) -> handle[_T]: ...
@overload
def spawn(what: Callable[..., Coroutine[Any, Any, _T]], /, *args: Any, name: str | None = None) -> handle[_T]: ...
@overload
def spawn(what: Callable[..., _T], /, *args: Any, name: str | None = None) -> handle[_T]: ...
def current() -> handle[Any] | None: ...
def select(*cases: _case, timeout: float | None = None) -> selected: ...
def aselect(*cases: _case, timeout: float | None = None) -> operation[selected]: ...
def sleep(seconds: float, /) -> None: ...
def asleep(seconds: float, /) -> operation[None]: ...
def yield_() -> None: ...
def ayield() -> operation[None]: ...
