"""Talks to the embedded HTTP server as clients do: well-behaved, hasty, slow and malformed ones.

Takes the path of the server's program.
"""

import json
import re
import signal
import socket
import subprocess
import sys
import time
import unittest

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
TEXT = b"Hello from a tasklet.\n"


class HttpServer(unittest.TestCase):
    def setUp(self):
        self.rest = {}  # what was read beyond the answer
        self.server = subprocess.Popen([PROGRAM, "--port", "0", "--workers", "2"], stdout=subprocess.PIPE, text=True)
        self.port = int(re.fullmatch(r"listening on 127\.0\.0\.1:(\d+)\n", self.server.stdout.readline())[1])

    def tearDown(self):
        self.server.kill()
        self.server.wait()
        self.server.stdout.close()

    def connect(self):
        peer = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.addCleanup(peer.close)
        return peer

    def answer(self, peer, has_body=True):
        """Returns status, headers and body of one answer; None at the end of the connection."""
        data = self.rest.pop(peer, b"")
        while b"\r\n\r\n" not in data:
            more = peer.recv(65536)
            if not more:
                return None
            data += more
        head, data = data.split(b"\r\n\r\n", 1)
        lines = head.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:])
        length = int(headers["Content-Length"]) if has_body else 0
        while len(data) < length:
            data += peer.recv(65536)
        self.rest[peer] = data[length:]
        return int(lines[0].split()[1]), headers, data[:length]

    def test_a_connection_is_kept_for_many_requests(self):
        peer = self.connect()
        for _ in range(50):
            peer.sendall(GET)
            status, headers, body = self.answer(peer)
            self.assertEqual((status, headers["Content-Type"], body), (200, "text/plain", TEXT))

    def test_pipelined_requests_are_answered_in_order(self):
        peer = self.connect()
        requests = b"".join(
            b"POST /echo HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (len(str(i)), str(i).encode()) for i in range(500)
        )
        peer.sendall(requests)
        for i in range(500):
            self.assertEqual(self.answer(peer)[2], str(i).encode())

    def test_a_request_may_come_byte_by_byte(self):
        peer = self.connect()
        for i in range(len(GET)):
            peer.sendall(GET[i : i + 1])
            time.sleep(0.001)
        self.assertEqual(self.answer(peer)[2], TEXT)

    def test_long_and_chunked_bodies_come_back_whole(self):
        peer = self.connect()
        long = bytes(range(256)) * 2000
        peer.sendall(b"POST /echo HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(long) + long)
        self.assertEqual(self.answer(peer)[2], long)
        peer.sendall(b"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n there\r\n0\r\n\r\n")
        self.assertEqual(self.answer(peer)[2], b"hello there")

    def test_head_tells_the_length_only(self):
        peer = self.connect()
        peer.sendall(b"HEAD / HTTP/1.1\r\n\r\n" + GET)
        status, headers, _ = self.answer(peer, has_body=False)
        self.assertEqual((status, headers["Content-Length"]), (200, str(len(TEXT))))
        self.assertEqual(self.answer(peer)[2], TEXT)

    def test_what_is_not_there_is_404_and_the_connection_goes_on(self):
        peer = self.connect()
        for request in (b"GET /nothing HTTP/1.1\r\n\r\n", b"GET /echo HTTP/1.1\r\n\r\n"):
            peer.sendall(request)
            self.assertEqual(self.answer(peer)[0], 404)
        peer.sendall(GET)
        self.assertEqual(self.answer(peer)[0], 200)

    def test_a_malformed_request_is_400_and_ends_the_connection(self):
        for request in (b"NONSENSE\r\n\r\n", b"GET / HTTP/7.1\r\n\r\n", b"GET / HTTP/1.1\r\nno colon\r\n\r\n"):
            peer = self.connect()
            peer.sendall(request)
            status, headers, _ = self.answer(peer)
            self.assertEqual((status, headers["Connection"]), (400, "close"))
            self.assertIsNone(self.answer(peer))

    def test_connection_close_is_obeyed(self):
        peer = self.connect()
        peer.sendall(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
        self.assertEqual(self.answer(peer)[1]["Connection"], "close")
        self.assertIsNone(self.answer(peer))

    def test_the_statistics_count_requests_and_connections(self):
        peers = [self.connect() for _ in range(20)]
        for peer in peers:
            peer.sendall(GET)
            self.answer(peer)
        peers[0].sendall(b"GET /stats HTTP/1.1\r\n\r\n")
        status, headers, body = self.answer(peers[0])
        self.assertEqual((status, headers["Content-Type"]), (200, "application/json"))
        self.assertEqual(json.loads(body), {"requests": 20, "open": 20, "most_open": 20})

    def test_a_signal_stops_it_with_idle_connections_open(self):
        for stop in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(stop):
                self.tearDown()
                self.setUp()
                peers = [self.connect() for _ in range(5)]
                for peer in peers:
                    peer.sendall(GET)
                    self.answer(peer)
                self.server.send_signal(stop)
                self.assertEqual(
                    self.server.stdout.read(), "served 5 requests; at most 5 connections were open at once\n"
                )
                self.assertEqual(self.server.wait(), 0)
                for peer in peers:
                    self.assertEqual(peer.recv(1), b"")

    def test_a_port_in_use_and_wrong_options_are_said(self):
        for options, expected in (
            (["--port", str(self.port)], "another socket uses this address"),
            (["--prot", "1"], "--port N"),
            (["--port"], "--port N"),
            (["--port", "70000"], "127.0.0.1:70000"),
        ):
            with self.subTest(options):
                end = subprocess.run([PROGRAM, *options], capture_output=True, text=True, timeout=30)
                self.assertEqual(end.returncode, 2)
                self.assertIn(expected, end.stderr)


PROGRAM = sys.argv.pop(1)
unittest.main()
