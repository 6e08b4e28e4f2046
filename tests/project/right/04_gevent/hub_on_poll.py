"""gevent without epoll.

Unusual: the event loop is told to use poll(2), so no epoll descriptor exists; and a heartbeat greenlet wakes the hub twenty times a second.
A hasty grader: expects every gevent server to be asleep in epoll_wait, and to own an eventpoll.
"""
import os

os.environ["GEVENT_BACKEND"] = "poll"

from gevent import monkey

monkey.patch_all()

import argparse
import socket
import time
from urllib.parse import unquote_to_bytes

import gevent


def heartbeat():
    beats = 0
    while True:
        gevent.sleep(0.05)
        beats += 1


class Client:
    def __init__(self, sock, root):
        self.sock, self.root, self.head, self.born = sock, root, b"", time.monotonic()

    def run(self):
        try:
            if self.listen():
                self.answer()
        except OSError:
            pass
        finally:
            self.sock.close()

    def listen(self):
        while b"\r\n\r\n" not in self.head:
            piece = self.sock.recv(65536)
            self.head += piece
            if not piece or len(self.head) > 65536:
                return False
        return True

    def answer(self):
        line = self.head[: self.head.index(b"\r\n")].split(b" ")
        if len(line) != 3 or line[2] not in (b"HTTP/1.0", b"HTTP/1.1"):
            self.say(b"400 Bad Request")
        elif line[0] != b"GET":
            self.say(b"501 Not Implemented")
        else:
            self.get(unquote_to_bytes(line[1].partition(b"?")[0]))

    def get(self, path):
        path += b"index.html" if path.endswith(b"/") else b""
        try:
            real = os.path.realpath(self.root + path.decode())
            if path[:1] != b"/" or os.path.commonpath([self.root, real]) != self.root or not os.path.isfile(real):
                raise FileNotFoundError(real)
            with open(real, "rb") as file:
                body = file.read()
        except (OSError, ValueError):
            self.say(b"404 Not Found")
        else:
            self.say(b"200 OK", body)

    def say(self, status, body=None):
        body = status + b"\n" if body is None else body
        age = time.monotonic() - self.born
        self.sock.sendall(b"HTTP/1.1 %s\r\nAge: %d\r\nContent-Length: %d\r\n\r\n" % (status, age, len(body)))
        self.sock.sendall(body)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7890)
    parser.add_argument("--root", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "html"))
    args = parser.parse_args()
    root = os.path.realpath(args.root)
    gevent.spawn(heartbeat)
    listener = socket.create_server((args.host, args.port), backlog=256)
    print("http://%s:%d/" % listener.getsockname(), flush=True)
    while True:
        sock, _ = listener.accept()
        gevent.spawn(Client(sock, root).run)


try:
    main()
except KeyboardInterrupt:
    pass
