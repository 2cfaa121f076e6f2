# A server that accepts so many connections and sends back what arrives, until all have been closed.
import asyncio
import time

from support import asked, fail


class service:
    def __init__(self, connections):
        self.left, self.before, self.echoed = connections, None, 0
        self.over = asyncio.Event()


class echo(asyncio.BufferedProtocol):
    def __init__(self, counts):
        self.counts, self.buffer = counts, memoryview(bytearray(4096))

    def connection_made(self, transport):  # which has turned TCP_NODELAY on
        self.transport = transport
        if self.counts.before is None:
            self.counts.before = time.process_time()

    def get_buffer(self, _):
        return self.buffer

    def buffer_updated(self, size):
        self.counts.echoed += size
        self.transport.write(bytes(self.buffer[:size]))

    def connection_lost(self, _):
        self.counts.left -= 1
        if self.counts.left == 0:
            self.counts.over.set()


async def serve(connections):
    counts = service(connections)
    server = await asyncio.get_running_loop().create_server(lambda: echo(counts), "127.0.0.1", 0, backlog=1024)
    print(f"port {server.sockets[0].getsockname()[1]}", flush=True)
    await counts.over.wait()
    used = time.process_time() - counts.before
    server.close()
    if counts.echoed == 0:
        fail(1, "the work was not done")
    print(f"cpu_us {used * 1e6 / (counts.echoed / 64):.3f}")


asyncio.run(serve(int(asked())))
