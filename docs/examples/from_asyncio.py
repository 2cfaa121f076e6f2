"""A program of asyncio's, and the same with tasklets."""

import asyncio

import martlet


async def ask_all_in_asyncio(servers):
    answers = asyncio.Queue()

    async def ask(server):
        async with asyncio.timeout(5):
            await asyncio.sleep(0.001)
        await answers.put(server * 2)

    async with asyncio.TaskGroup() as group:
        for server in servers:
            group.create_task(ask(server))
    return sorted(answers.get_nowait() for _ in servers)


async def ask_all(servers):
    answers = martlet.channel(len(servers))

    async def ask(server):
        async with martlet.timeout(5):
            await martlet.asleep(0.001)
        await answers.asend(server * 2)

    async with martlet.scope() as group:
        for server in servers:
            group.spawn(ask, server)
    answers.close()
    return sorted([answer async for answer in answers])


if __name__ == "__main__":
    servers = [1, 2, 3]
    assert asyncio.run(ask_all_in_asyncio(servers)) == [2, 4, 6]
    assert martlet.run(ask_all, servers) == [2, 4, 6]
