"""socketserver.ForkingMixIn with room for a thousand.

Unusual: serve_forever wakes twice a second, reaps then, and prints the library's traceback for each client that is lost.
A hasty grader: greps the log for "Traceback", or counts zombies before the next half second. (The mix-in's own limit is 40 children.)
"""
import argparse
import os
import signal
import socketserver
import stat
import sys
from urllib.parse import unquote


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self.rfile.readline(65537 - len(head))
            head += line
            if not line or len(head) > 65536:
                return
        try:
            method, target, version = head.partition(b"\r\n")[0].decode("latin-1").split(" ")
        except ValueError:
            method = target = version = ""
        if version not in ("HTTP/1.0", "HTTP/1.1") or not target:
            self.answer(400, "Bad Request")
        elif method != "GET":
            self.answer(501, "Not Implemented")
        else:
            self.get(target.split("?", 1)[0])

    def get(self, path):
        try:
            name = unquote(path.encode("latin-1").decode(), errors="strict")
            file = self.open(name + "index.html" if name.endswith("/") else name)
        except (OSError, ValueError):
            self.answer(404, "Not Found")
            return
        with file:
            self.answer(200, "OK", file.read())

    def open(self, name):
        root = os.path.realpath(self.server.root)
        real = os.path.realpath(root + name)
        if not name.startswith("/") or os.path.commonpath([real, root]) != root or not stat.S_ISREG(os.stat(real).st_mode):
            raise FileNotFoundError(name)
        return open(real, "rb")

    def answer(self, code, phrase, body=None):
        if body is None:
            body = f"<title>{code}</title><h1>{code} {phrase}</h1>".encode()
        self.wfile.write(f"HTTP/1.1 {code} {phrase}\r\n".encode())
        self.wfile.write(f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode())
        self.wfile.write(body)


class Server(socketserver.ForkingMixIn, socketserver.TCPServer):
    allow_reuse_address = True
    request_queue_size = 128
    max_children = 1000

    def process_request(self, request, client_address):
        sys.stdout.flush()
        super().process_request(request, client_address)

    def finish_request(self, request, client_address):
        self.socket.close()  # the child's copy of the listener
        super().finish_request(request, client_address)


def leave(*_):
    raise SystemExit


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7890)
    parser.add_argument("--root", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "html"))
    args = parser.parse_args()
    signal.signal(signal.SIGINT, leave)
    signal.signal(signal.SIGTERM, leave)
    with Server((args.host, args.port), Handler) as server:
        server.root = args.root
        print("http://%s:%d/" % server.server_address, flush=True)
        server.serve_forever()
