"""A program of gevent's kind: libraries that know nothing of tasklets, ten requests at a time."""

import martlet
import martlet.patch  # instead of: from gevent import monkey; monkey.patch_all()

import http.server
import urllib.request


class Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *args):
        pass


def fetch(url):
    with urllib.request.urlopen(url, timeout=10) as page:
        return page.read()


def main():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hello) as server:
        serving = martlet.spawn(server.serve_forever)
        url = "http://127.0.0.1:%d/" % server.server_port
        pages = list(martlet.map(fetch, [url] * 50, limit=10))
        server.shutdown()
        serving.join()
        return pages


if __name__ == "__main__":
    assert martlet.run(main) == [b"hello"] * 50
