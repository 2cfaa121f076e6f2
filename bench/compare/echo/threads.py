# A server that accepts so many connections and sends back what arrives, until all have been closed.
import socket
import threading
import time

from support import asked, fail


def serve(client, totals):
    total = 0
    with client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while data := client.recv(4096):
            client.sendall(data)
            total += len(data)
    totals.append(total)


connections = int(asked(any_threads=True))
serving, totals = [], []
with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
    print(f"port {listener.getsockname()[1]}", flush=True)
    for _ in range(connections):
        client, _ = listener.accept()
        if not serving:
            before = time.process_time()
        serving.append(threading.Thread(target=serve, args=(client, totals)))
        serving[-1].start()
for thread in serving:
    thread.join()
used = time.process_time() - before
if len(totals) != connections or sum(totals) == 0:
    fail(1, "the work was not done")
print(f"cpu_us {used * 1e6 / (sum(totals) / 64):.3f}")
