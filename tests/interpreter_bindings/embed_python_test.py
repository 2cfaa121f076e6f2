"""Talks to the server of docs/examples/embed_python.cpp, whose requests Python tasklets answer, over real sockets.

Takes the path of its program.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import unittest


class EmbedPython(unittest.TestCase):
    def setUp(self):
        self.server = subprocess.Popen([PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.port = int(re.fullmatch(r"listening on 127\.0\.0\.1:(\d+)\n", self.server.stdout.readline())[1])

    def tearDown(self):
        if self.server.poll() is None:
            self.server.kill()
        self.server.communicate()

    def connect(self):
        peer = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        self.addCleanup(peer.close)
        return peer, peer.makefile("rw")

    def ask(self, file, line):
        file.write(line + "\n")
        file.flush()
        return file.readline().rstrip("\n")

    def stop(self):
        """Returns what it says at its end; checks that this was a clean one."""
        self.server.send_signal(signal.SIGTERM)
        said, complaints = self.server.communicate(timeout=60)
        self.assertEqual((self.server.returncode, complaints), (0, ""))
        return said.rstrip("\n")

    def test_both_kinds_of_tasklets_answer_and_cpp_counts_with_python(self):
        _, file = self.connect()
        self.assertEqual(self.ask(file, "greet Ada"), "hello, Ada")
        self.assertEqual(self.ask(file, "add 1 2 39"), "42")
        self.assertEqual(self.ask(file, "wait 0.01"), "waited 0.01 s")
        self.assertEqual(self.ask(file, "greet"), "hello, ")
        self.assertEqual(self.stop(), "2 greet, 1 add, 1 wait, 0 given up")

    def test_many_clients_at_once(self):
        clients, requests = 20, 25
        wrong = []

        def talk(number):
            _, file = self.connect()
            for i in range(requests):
                for line, expected in ((f"greet {number}.{i}", f"hello, {number}.{i}"), (f"add {number} {i}", str(number + i))):
                    answer = self.ask(file, line)
                    if answer != expected:
                        wrong.append((line, answer))

        threads = [threading.Thread(target=talk, args=(number,)) for number in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])
        self.assertEqual(self.stop(), f"{clients * requests} greet, {clients * requests} add, 0 wait, 0 given up")

    def test_what_a_handler_raises_is_told_and_the_connection_goes_on(self):
        _, file = self.connect()
        self.assertEqual(self.ask(file, "add 1 two"), "error: ValueError: invalid literal for int() with base 10: 'two'")
        self.assertEqual(self.ask(file, "sing a song"), "error: nobody knows how to sing")
        self.assertEqual(self.ask(file, "greet Ada"), "hello, Ada")
        self.assertEqual(self.stop(), "1 greet, 1 add, 0 wait, 0 given up")

    def test_a_handler_whose_client_has_gone_is_cancelled(self):
        peer, file = self.connect()
        file.write("wait 3600\n")
        file.flush()
        peer.shutdown(socket.SHUT_WR)
        self.assertEqual(file.readline(), "")  # the server closes when the handler has ended
        self.assertEqual(self.stop(), "0 greet, 0 add, 1 wait, 1 given up")

    def test_requests_that_come_together_are_answered_in_order(self):
        _, file = self.connect()
        file.write("".join(f"add {i} 1\n" for i in range(100)))
        file.flush()
        self.assertEqual([file.readline() for _ in range(100)], [f"{i + 1}\n" for i in range(100)])

    def test_it_ends_cleanly_while_handlers_are_at_work(self):
        files = [self.connect()[1] for _ in range(5)]
        for file in files:
            file.write("greet Ada\nwait 3600\n")
            file.flush()
        for file in files:
            self.assertEqual(file.readline(), "hello, Ada\n")
        self.assertRegex(self.stop(), r"^5 greet, 0 add, [0-5] wait, [0-5] given up$")
        for file in files:
            self.assertEqual(file.readline(), "")

    def test_without_martlets_python_files_it_says_what_to_do(self):
        end = subprocess.run([PROGRAM], capture_output=True, text=True, env=os.environ | {"PYTHONPATH": ""}, timeout=60)
        self.assertEqual(end.returncode, 2)
        self.assertIn("embed_python: run_here: martlet's Python files are not where Python looks for modules", end.stderr)


PROGRAM = sys.argv.pop(1)
unittest.main()
