# A server that accepts so many connections and sends back what arrives, until all have been closed.
import time

import gevent
from gevent import socket

from support import asked, fail


def serve(client):
    total = 0
    with client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while data := client.recv(4096):
            client.sendall(data)
            total += len(data)
    return total


connections = int(asked())
serving = []
with socket.socket() as listener:  # create_server would make one of the standard library's
    listener.bind(("127.0.0.1", 0))
    listener.listen(1024)
    print(f"port {listener.getsockname()[1]}", flush=True)
    for _ in range(connections):
        client, _ = listener.accept()
        if not serving:
            before = time.process_time()
        serving.append(gevent.spawn(serve, client))
echoed = sum(one.get() for one in serving)
used = time.process_time() - before
if echoed == 0:
    fail(1, "the work was not done")
print(f"cpu_us {used * 1e6 / (echoed / 64):.3f}")
