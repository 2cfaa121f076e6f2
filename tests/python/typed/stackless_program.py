"""A program with the tasklets of martlet.stackless: mypy checks it, nobody runs it."""

from types import TracebackType
from typing import Any, assert_type

from martlet import stackless
from martlet.stackless import QueueChannel, channel, tasklet


class Npc(tasklet):
    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(self.act, (3,))

    def act(self, times: int) -> None:
        for _ in range(times):
            stackless.schedule()


def produce(numbers: channel[int]) -> None:
    assert_type(numbers.send_sequence(range(10)), int)
    numbers.send_exception(StopIteration)


def watch(before: tasklet | None, after: tasklet) -> None:
    if before is not None and after.next is not None:
        assert_type(after.next.alive, bool)


def watch_channel(on: channel[Any], who: tasklet, sends: int, blocks: int) -> None:
    assert_type(on.balance, int)
    assert_type(who.times_switched_to, int)


def complain(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
    print(kind, error, where)


def main(frames: int) -> str:
    numbers = channel[int]()
    texts: QueueChannel[str] = QueueChannel()
    assert_type(stackless.tasklet(produce)(numbers), tasklet)
    assert_type(Npc("Ada").insert(), Npc)
    for number in numbers:
        assert_type(number, int)
    texts.send("one")
    assert_type(len(texts), int)
    for _ in range(frames):
        late = stackless.run(1000, soft=True, totaltimeout=True)
        assert_type(late, tasklet | None)
        if late is not None:
            late.insert().throw(ValueError("late"), pending=True)
    assert_type(stackless.set_error_handler(complain) is None, bool)
    stackless.set_schedule_callback(watch)
    stackless.set_channel_callback(watch_channel)
    stackless.set_schedule_callback(None)
    with stackless.block_trap(), stackless.atomic():
        assert_type(stackless.getcurrent().context_run(divmod, 7, 2), tuple[int, int])
    assert_type(stackless.current, tasklet)
    assert_type(stackless.stackless.runcount, int)
    numbers.receive().bit_length()
    raise stackless.TaskletExit(texts.receive())


# What is wrong is told: mypy complains of an ignore that ignores nothing.
channel[int]().send("text")  # type: ignore[arg-type]
stackless.current = stackless.main  # type: ignore[misc]
stackless.tasklet("no function")  # type: ignore[arg-type]
stackless.getcurrent().next.insert()  # type: ignore[union-attr]
stackless.run(timeout=1.5)  # type: ignore[arg-type]
