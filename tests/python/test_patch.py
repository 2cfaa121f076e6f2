"""`import martlet.patch`: libraries that know nothing of tasklets. Each test is a process of its own, for it changes all of it."""

import glob
import os
import resource
import shutil
import socket
import subprocess
import sys
import textwrap

import pytest


def patched(body, *arguments, timeout=100):
    """Runs a program that begins with the import, and returns what it printed."""
    program = "import martlet, martlet.patch\n" + textwrap.dedent(body)
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return done.stdout


def test_sockets_of_one_worker_talk_to_each_other():
    assert patched(
        """
        import socket

        def serve(listener):
            with martlet.scope() as inside:
                for _ in range(20):
                    connection, _ = listener.accept()
                    inside.spawn(echo, connection)

        def echo(connection):
            with connection:
                while data := connection.recv(4096):
                    connection.sendall(data)

        def ask(address, n):
            with socket.create_connection(address) as connection:
                sent = bytes([n]) * 300_000
                sending = martlet.spawn(connection.sendall, sent)
                got = b""
                while len(got) < len(sent):
                    got += connection.recv(65536)
                sending.join()
                assert got == sent

        def main():
            with socket.create_server(("127.0.0.1", 0), backlog=100) as listener, martlet.scope() as inside:
                inside.spawn(serve, listener)
                for n in range(20):
                    inside.spawn(ask, listener.getsockname(), n)
            return "done"

        print(martlet.run(main, workers=1))
        """
    ) == "done\n"


@pytest.mark.skipif(resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 5000, reason="a process may not have 5,000 descriptors here")
def test_a_thousand_requests_of_http_client_at_once():
    assert patched(
        """
        import http.client, http.server, resource

        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # two ends, and two descriptors each
        served = martlet.Queue()
        everybody = martlet.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                served.put(self.path)
                everybody.wait()                    # until all of them are here
                self.send_response(200)
                self.send_header("Content-Length", str(len(self.path)))
                self.end_headers()
                self.wfile.write(self.path.encode())

            def log_message(self, *args):
                pass

        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 2000

        def ask(address, n):
            connection = http.client.HTTPConnection(*address)
            connection.request("GET", f"/{n}")
            body = connection.getresponse().read()
            connection.close()
            return body == f"/{n}".encode()

        def main():
            with Server(("127.0.0.1", 0), Handler) as server:
                serving = martlet.spawn(server.serve_forever)
                answers = [martlet.spawn(ask, server.server_address, n) for n in range(1000)]
                for _ in range(1000):
                    served.get()
                everybody.set()
                right = sum(one.join() for one in answers)
                server.shutdown()
                serving.join()
                return right

        print(martlet.run(main))
        """
    ) == "1000\n"


def test_limits_of_time_and_cancels():
    assert patched(
        """
        import socket

        def main():
            a, b = socket.socketpair()
            a.settimeout(0.01)
            assert a.gettimeout() == 0.01 and a.timeout == 0.01 and a.getblocking()
            try:
                a.recv(1)
            except TimeoutError as late:
                print(late)
            a.setblocking(False)
            try:
                a.recv(1)
            except BlockingIOError:
                print("would block")
            a.setblocking(True)
            waiting = martlet.spawn(a.recv, 1)
            while waiting.state != "blocked":
                martlet.yield_()
            waiting.cancel()
            try:
                waiting.join()
            except martlet.Cancelled:
                print("cancelled")
            b.sendall(b"x")
            assert a.recv(1) == b"x"
            waiting = martlet.spawn(a.recv, 1)
            while waiting.state != "blocked":
                martlet.yield_()
            b.close()
            assert waiting.join() == b""
            a.close()
            async def wrong():
                a2, b2 = socket.socketpair()
                with a2, b2:
                    a2.recv(1)
            try:
                martlet.spawn(wrong).join()
            except martlet.Misuse:
                print("refused")

        martlet.run(main)
        """
    ) == "timed out\nwould block\ncancelled\nrefused\n"


def test_plain_threads_do_what_they_always_did():
    assert patched(
        """
        import socket, threading, time, select, queue

        a, b = socket.socketpair()
        received = queue.Queue()
        thread = threading.Thread(target=lambda: received.put(a.recv(10)))
        thread.start()
        time.sleep(0.01)
        b.sendall(b"hello")
        thread.join()
        assert received.get() == b"hello"
        assert thread.ident != threading.get_ident() and not thread.is_alive()
        a.settimeout(0.01)
        try:
            a.recv(1)
        except TimeoutError:
            print("late")
        assert select.select([a], [b], [], 0) == ([], [b], [])
        a.close()
        b.close()
        assert threading.current_thread() is threading.main_thread()
        """
    ) == "late\n"


def test_sleeping_and_waiting_for_processes_leaves_the_worker_to_others():
    assert patched(
        """
        import os, subprocess, time, sys

        def run(command):
            reading, writing = os.pipe()
            with open(reading) as stdin, open(writing, "w") as told:
                child = subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE, text=True)
                waiting = martlet.spawn(child.communicate)
                while len(napping) < 50:
                    time.sleep(0.001)   # the others go on while the child is waited for
                assert not waiting.done()
                print(file=told, flush=True)
                return waiting.join()[0]

        napping = []

        def nap():
            napping.append(1)
            while len(napping) < 50:
                time.sleep(0.001)

        def main():
            with martlet.scope() as inside:
                child = inside.spawn(run, [sys.executable, "-c", "input(); print('child')"])
                for _ in range(50):
                    inside.spawn(nap)
            print(child.join(), end="")

        martlet.run(main, workers=1)
        """
    ) == "child\n"


def test_threads_of_tasklets_are_tasklets():
    assert patched(
        """
        import queue, threading

        def main():
            work, done, mine = queue.Queue(), [], threading.local()
            lock = threading.Lock()

            def worker():
                mine.name = threading.current_thread().name
                while (item := work.get()) is not None:
                    with lock:
                        done.append((item, threading.get_ident()))
                    work.task_done()
                assert mine.name == threading.current_thread().name

            threads = [threading.Thread(target=worker, name=f"worker {n}") for n in range(3)]
            assert not threads[0].is_alive()
            for thread in threads:
                thread.start()
            assert {handle.name for handle in martlet.tasklets()} >= {"worker 0", "worker 1", "worker 2"}
            for n in range(30):
                work.put(n)
            work.join()
            assert threads[0].is_alive()
            threads[0].join(timeout=0.001)
            for _ in threads:
                work.put(None)
            for thread in threads:
                thread.join()
            assert not threads[0].is_alive()
            assert sorted(item for item, _ in done) == list(range(30))
            assert {ident for _, ident in done} <= {thread.ident for thread in threads}
            me = threading.current_thread()
            assert me is threading.current_thread() and me.ident == threading.get_ident()
            try:
                threads[0].start()
            except RuntimeError as error:
                print(error)

            def fail():
                raise LookupError

            seen = []
            threading.excepthook = seen.append
            failing = threading.Thread(target=fail)
            failing.start()
            failing.join()
            assert seen[0].exc_type is LookupError and seen.pop().thread is failing

        martlet.run(main, workers=1)
        """
    ) == "threads can only be started once\n"


def test_pools_timers_and_what_only_looks_as_if_it_waited():
    assert patched(
        """
        import asyncio, concurrent.futures, logging, queue, threading

        def main():
            with concurrent.futures.ThreadPoolExecutor(3) as pool:
                print(list(pool.map(lambda n: n * n, range(4))))
            told = threading.Event()
            timer = threading.Timer(0.01, told.set)
            timer.start()
            assert told.wait(60)
            timer.join()

            async def coroutine():
                logging.getLogger("quiet").debug("a lock that nobody holds")
                values = queue.Queue()
                values.put_nowait(1)
                return values.get_nowait()

            print(martlet.spawn(coroutine).join())

        async def amain():
            return await asyncio.to_thread(lambda: "asyncio as ever")

        martlet.run(main, workers=1)
        print(asyncio.run(amain()))
        """
    ) == "[0, 1, 4, 9]\n1\nasyncio as ever\n"


def test_a_unix_socket_whose_queue_is_full(tmp_path):
    assert patched(
        """
        import socket, sys

        path = sys.argv[1] + "/socket"

        def main():
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(path)
                listener.listen(0)
                waiting = []
                while True:
                    one = socket.socket(socket.AF_UNIX)
                    one.settimeout(0.05)
                    try:
                        one.connect(path)
                    except TimeoutError:
                        print("full")
                        break
                    waiting.append(one)
                one.settimeout(60)
                connecting = martlet.spawn(one.connect, path)
                martlet.sleep(0.01)
                listener.accept()[0].close()
                connecting.join()
                for one in [*waiting, one]:
                    one.close()
                print("connected")

        martlet.run(main, workers=1)
        """,
        str(tmp_path),
    ) == "full\nconnected\n"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the certificate is made with openssl")
def test_tls(tmp_path):
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "cert.pem"],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    assert patched(
        """
        import socket, ssl, sys, urllib.request, http.server

        folder = sys.argv[1]

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"x" * 1_000_000)

            def log_message(self, *args):
                pass

        def main():
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(folder + "/cert.pem", folder + "/key.pem")
            with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
                server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
                serving = martlet.spawn(server.serve_forever)
                trusting = ssl.create_default_context(cafile=folder + "/cert.pem")

                def ask():
                    with urllib.request.urlopen(f"https://localhost:{server.server_port}/", context=trusting) as page:
                        return len(page.read())

                print(sum(one.join() for one in [martlet.spawn(ask) for _ in range(10)]))
                server.shutdown()
                serving.join()

        martlet.run(main, workers=1)
        """,
        str(tmp_path),
    ) == "10000000\n"


POSTGRESQL = sorted(glob.glob("/usr/lib/postgresql/*/bin"))


@pytest.fixture
def database(tmp_path_factory):
    """A PostgreSQL of the test's own on the loopback interface: its port."""
    pytest.importorskip("pg8000", reason="pg8000 is asked for on one version only: pyproject.toml")
    if not POSTGRESQL:
        pytest.skip("PostgreSQL is not installed (on Debian: postgresql)")
    folder = tmp_path_factory.mktemp("postgresql")
    as_user = []
    if os.geteuid() == 0:  # it refuses to run as root
        shutil.chown(folder, "postgres")
        for parent in folder.parents[:3]:
            parent.chmod(parent.stat().st_mode | 0o011)
        as_user = ["runuser", "-u", "postgres", "--"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data = str(folder / "data")
    initialise = [f"{POSTGRESQL[-1]}/initdb", "-D", data, "-A", "trust", "-U", "tester", "--no-sync"]
    subprocess.run([*as_user, *initialise], check=True, capture_output=True, cwd="/")
    options = ["-p", str(port), "-h", "127.0.0.1", "-k", str(folder), "-c", "fsync=off", "-c", "max_connections=60"]
    server = subprocess.Popen([*as_user, f"{POSTGRESQL[-1]}/postgres", "-D", data, *options], stderr=subprocess.DEVNULL, cwd="/")
    try:
        yield port
    finally:
        subprocess.run([*as_user, f"{POSTGRESQL[-1]}/pg_ctl", "-D", data, "-m", "immediate", "stop"], capture_output=True, cwd="/")
        server.wait(60)


def test_a_database_driver_written_in_python(database):
    assert patched(
        """
        import sys, time
        import pg8000.native

        def connect():
            for _ in range(200):  # it starts
                try:
                    return pg8000.native.Connection("tester", host="127.0.0.1", port=int(sys.argv[1]), database="postgres")
                except pg8000.exceptions.InterfaceError:
                    time.sleep(0.05)
                except pg8000.exceptions.DatabaseError:
                    time.sleep(0.05)
            raise TimeoutError

        def add(n):
            connection = connect()
            try:
                connection.run("insert into numbers values (:n)", n=n)
                while connection.run("select count(*) from numbers")[0][0] < 40:
                    time.sleep(0.01)  # all forty are connected at the same time
                return connection.run("select :n::integer * 2", n=n)[0][0]
            finally:
                connection.close()

        def main():
            first = connect()
            first.run("create table numbers (n integer)")
            assert sorted(martlet.map(add, range(40))) == [2 * n for n in range(40)]
            print(first.run("select count(*), sum(n) from numbers"))
            first.close()

        martlet.run(main, workers=1)
        """,
        str(database),
    ) == "[[40, 780]]\n"
