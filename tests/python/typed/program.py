"""A program of a user's in both styles: mypy checks it, nobody runs it."""

import concurrent.futures
from typing import assert_type

import martlet


class Session(martlet.local):
    user: str = "nobody"


def produce(numbers: martlet.channel[int]) -> str:
    for n in range(10):
        numbers.send(n, timeout=1)
    numbers.close()
    return "done"


async def aproduce(numbers: martlet.channel[int]) -> str:
    for n in range(10):
        await numbers.asend(n)
    numbers.close()
    return "done"


async def main(limit: float | None = None) -> int:
    numbers: martlet.channel[int] = martlet.channel(3)
    total = 0
    assert_type(martlet.spawn(produce, numbers), martlet.handle[str])
    assert_type(await martlet.spawn(aproduce, numbers, name="producer"), str)
    async for n in numbers:
        total += n
    async with martlet.scope() as inside:
        assert_type(await inside.spawn(aproduce, numbers).ajoin(timeout=limit), str)
        inside.spawn(martlet.sleep, 0.1)
    async with martlet.timeout(limit):
        await martlet.asleep(0.1)
    with martlet.shield():
        assert_type(await martlet.ablocking(divmod, 7, 2), tuple[int, int])
    case, value = await martlet.aselect(numbers, numbers.asend(1), martlet.asleep(1), timeout=limit)
    assert_type(case, int)
    lock, event = martlet.Lock(), martlet.Event()
    async with lock, martlet.RLock(), martlet.Semaphore(3), martlet.Condition() as held:
        assert_type(held, bool)
    assert_type(await lock.aacquire(timeout=1), bool)
    assert_type(await event.await_(1), bool)
    condition = martlet.Condition(lock)
    assert_type(await condition.await_for(lambda: total), int)
    assert_type(await martlet.Barrier(1).await_(), int)
    items: martlet.Queue[str] = martlet.PriorityQueue()
    await items.aput("one")
    assert_type(await items.aget(timeout=1), str)
    async with martlet.Executor(4) as executor:
        assert_type(await executor.submit(aproduce, numbers), str)
    async for text in martlet.amap(aproduce, [numbers], limit=2):
        assert_type(text, str)
    return total


def main_blocking() -> str:
    numbers = martlet.channel[int]()
    with martlet.scope() as inside, martlet.timeout(2):
        producer = inside.spawn(produce, numbers)
        for n in numbers:
            assert_type(n, int)
    with martlet.Lock(), martlet.RLock(), martlet.Condition() as condition, martlet.Executor() as executor:
        assert_type(condition, bool)
        future: concurrent.futures.Future[str] = executor.submit(produce, numbers)
        assert_type(list(executor.map(produce, [numbers])), list[str])
        assert_type(future.result(), str)
    for text in martlet.map(produce, [numbers]):
        assert_type(text, str)
    assert_type(martlet.blocking(len, "abc"), int)
    assert_type([one.name for one in martlet.tasklets()], list[str])
    session = Session()
    session.user = "somebody"
    return producer.join(timeout=3)


# What is wrong is found: where it were not, mypy would complain of the comment.
martlet.channel[int]().send("text")  # type: ignore[arg-type]
martlet.Queue[int]().put("text")  # type: ignore[arg-type]
martlet.spawn(3)  # type: ignore[call-overload]
martlet.blocking(len, 7)  # type: ignore[arg-type]
martlet.select(martlet.Lock())  # type: ignore[arg-type]

assert_type(martlet.run(main), int)
assert_type(martlet.run(main, 1.5, workers=2), int)
assert_type(martlet.run(main()), int)
assert_type(martlet.run(main_blocking), str)
assert_type(martlet.simulate(main, seed=7), int)
