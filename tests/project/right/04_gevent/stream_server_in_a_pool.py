"""gevent's own StreamServer, in a Pool of a thousand.

Unusual: no socket call, no accept loop and no spawn in the program; nothing is monkey-patched.
A hasty grader: searches the source for patch_all, spawn or accept.
"""
import argparse
import os
import signal
from urllib.parse import unquote_to_bytes

import gevent
from gevent.pool import Pool
from gevent.server import StreamServer


class Site:
    def __init__(self, root):
        self.root = os.path.realpath(root)

    def __call__(self, sock, address):
        try:
            self.talk(sock)
        except OSError:
            pass
        # StreamServer closes the socket when this returns

    def talk(self, sock):
        head = b""
        while b"\r\n\r\n" not in head:
            piece = sock.recv(1024)
            head += piece
            if not piece or len(head) > 65536:
                return
        words = head.split(b"\r\n")[0].split(b" ")
        if len(words) != 3 or words[2] not in (b"HTTP/1.1", b"HTTP/1.0"):
            status, body = b"400 Bad Request", b"Bad request.\n"
        elif words[0] != b"GET":
            status, body = b"405 Method Not Allowed", b"Only GET.\n"
        else:
            status, body = self.get(words[1].split(b"?")[0])
        sock.sendall(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body)

    def get(self, path):
        try:
            name = unquote_to_bytes(path).decode()
            if name.endswith("/"):
                name += "index.html"
            real = os.path.realpath(self.root + name)
            if name.startswith("/") and real.startswith(os.path.join(self.root, "")) and os.path.isfile(real):
                with open(real, "rb") as file:
                    return b"200 OK", file.read()
        except (OSError, ValueError):
            pass
        return b"404 Not Found", b"Not found.\n"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7890)
    parser.add_argument("--root", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "html"))
    args = parser.parse_args()
    server = StreamServer((args.host, args.port), Site(args.root), spawn=Pool(1000))
    gevent.signal_handler(signal.SIGTERM, server.stop)
    gevent.signal_handler(signal.SIGINT, server.stop)
    server.start()
    print("http://%s:%d/" % (server.server_host, server.server_port), flush=True)
    server.serve_forever()


main()
