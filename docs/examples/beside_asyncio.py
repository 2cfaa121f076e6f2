"""Tasklets inside of an asyncio program: a blocking function and coroutines of both, with one channel between them."""

import asyncio

import martlet


def read_lines(lines):  # a plain function, as a library might have it: it blocks its tasklet only
    for n in range(3):
        martlet.sleep(0.01)  # waits for a device
        lines.send(f"line {n}")
    lines.close()


async def main():  # asyncio's
    async with martlet.guest():
        lines = martlet.channel()
        martlet.spawn(read_lines, lines)
        seen = []
        async with asyncio.timeout(60):
            async for line in lines:
                seen.append(line)
        return seen


async def fetch():  # asyncio's too: some client library
    await asyncio.sleep(0.01)
    return "an answer"


async def ask():  # a coroutine tasklet, on the thread of the loop
    return await asyncio.create_task(fetch())


async def use_a_library():
    async with martlet.guest(workers=1):
        return await martlet.spawn(ask)


if __name__ == "__main__":
    assert asyncio.run(main()) == ["line 0", "line 1", "line 2"]
    assert asyncio.run(use_a_library()) == "an answer"
