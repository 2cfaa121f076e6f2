"""A chat server on sockets: a tasklet for each visitor, and one that waits for all sockets at once."""

import select
import socket

from martlet import stackless


class Sockets:
    """Lets tasklets wait for sockets. Its own tasklet takes its turn like all others, and looks which are ready."""

    def __init__(self):
        self.waiting = {}  # (socket, "r" or "w"): the channel on which its tasklet waits
        self.tasklet = stackless.tasklet(self.work)()

    def wait(self, sock, what):
        if not self.tasklet.alive:
            self.tasklet = stackless.tasklet(self.work)()
        channel = self.waiting[sock, what] = stackless.channel()
        channel.receive()

    def work(self):
        while self.waiting:
            readers, writers = ([sock for sock, kind in self.waiting if kind == what] for what in "rw")
            patience = 0 if stackless.runcount > 1 else 5  # whoever is runnable comes first
            readers, writers, _ = select.select(readers, writers, [], patience)
            for key in [(sock, "r") for sock in readers] + [(sock, "w") for sock in writers]:
                self.waiting.pop(key).send(None)
            stackless.schedule()

    def lines(self, sock):
        rest = b""
        while True:
            self.wait(sock, "r")
            data = sock.recv(4096)
            if not data:
                return
            *complete, rest = (rest + data).split(b"\n")
            for line in complete:
                yield line.decode()

    def write(self, sock, text):
        data = text.encode() + b"\n"
        while data:
            self.wait(sock, "w")
            data = data[sock.send(data) :]


class Server:
    def __init__(self, sockets):
        self.sockets, self.visitors = sockets, {}
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        self.tasklet = stackless.tasklet(self.work)()

    def work(self):
        while True:
            self.sockets.wait(self.listener, "r")
            stackless.tasklet(self.serve)(self.listener.accept()[0])

    def serve(self, sock):
        with sock:
            lines = self.sockets.lines(sock)
            name = next(lines)
            self.tell(f"{name} has come")
            outbox = self.visitors[name] = stackless.QueueChannel()
            writer = stackless.tasklet(self.write)(sock, outbox)
            for line in lines:
                self.tell(f"{name}: {line}")
            del self.visitors[name]
            writer.kill()
            self.tell(f"{name} has gone")

    def write(self, sock, outbox):
        for text in outbox:
            self.sockets.write(sock, text)

    def tell(self, text):
        for outbox in self.visitors.values():
            outbox.send(text)

    def close(self):
        self.tasklet.kill()
        self.sockets.waiting.pop((self.listener, "r"), None)
        self.listener.close()


def visit(sockets, address, name, says, goes_after, heard):
    """Says something, and goes when somebody else has said what it waits for."""
    with socket.create_connection(address) as sock:
        sockets.write(sock, name)
        for line in sockets.lines(sock):
            heard.append(f"{name} hears '{line}'")
            if line == says[0]:
                sockets.write(sock, says[1])
            if line == goes_after:
                return


def main():
    sockets, heard = Sockets(), []
    server = Server(sockets)
    guests = [
        stackless.tasklet(visit)(sockets, server.address, "Ann", ("Bob has come", "hello Bob"), "Bob: hello Ann", heard),
        stackless.tasklet(visit)(sockets, server.address, "Bob", ("Ann: hello Bob", "hello Ann"), "Ann has gone", heard),
    ]
    while any(guest.alive for guest in guests) or server.visitors:
        stackless.schedule()
    server.close()
    stackless.run()
    print(*heard, sep="\n")
    assert heard[-1] == "Bob hears 'Ann has gone'"


if __name__ == "__main__":
    main()
