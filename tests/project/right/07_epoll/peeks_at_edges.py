"""Edge-triggered peeking: an unfinished head stays in the kernel's queue until it is whole.

Unusual: MSG_PEEK, and one read that takes the head and not an octet more; then it lingers.
A hasty grader: waits until the receive queue of a stalled client is empty: it never will be.
"""

import argparse
import os
import re
import select
import signal
import socket
import stat
import time
from pathlib import Path
from urllib.parse import unquote_to_bytes


def options():
    """The command line."""
    html = (up / "html" for up in Path(__file__).resolve().parents if (up / "html").is_dir())
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7890)
    parser.add_argument("--root", default=next(html, "html"))
    return parser.parse_args()


TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*", re.DOTALL)


def content(target):
    """The bytes of the file that the target names, or None when it names none of ours."""
    path = unquote_to_bytes(target.split(b"?", 1)[0])
    if path.endswith(b"/"):
        path += b"index.html"
    try:
        path.decode("utf-8")
        real = os.path.realpath(os.path.join(ROOT, path.lstrip(b"/")))
        if real.startswith(os.path.join(ROOT, b"")) and stat.S_ISREG(os.stat(real).st_mode):
            with open(real, "rb") as file:
                return file.read()
    except (OSError, ValueError):
        pass
    return None


def judge(head):
    """The status and the body for one whole head, blank line included."""
    lines = re.sub(rb"\r\n[ \t]+", b" ", head[:-4]).split(b"\r\n")
    words, fields = lines[0].split(b" "), [FIELD.fullmatch(line) for line in lines[1:]]
    if len(words) != 3 or not TOKEN.fullmatch(words[0]) or None in fields:
        return 400, b"That is no HTTP.\n"
    if not re.fullmatch(rb"HTTP/1\.[0-9]", words[2]):
        return 400, b"That is no HTTP of mine.\n"
    if words[0] != b"GET":
        return 405, b"Only GET is spoken here.\n"
    body = content(words[1]) if words[1].startswith(b"/") else None
    if body is None:
        return 404, b"There is no such page.\n"
    return 200, body


EDGES = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET


class Client:
    def __init__(self, sock):
        sock.setblocking(False)
        self.sock, self.rest, self.until = sock, None, None

    def happen(self):
        """Goes on until the kernel says: later. Then False; True at the end."""
        try:
            if self.rest is None and not self.peek():
                return False
            while self.rest:
                self.rest = self.rest[self.sock.send(self.rest) :]
            if self.until is None:
                self.sock.shutdown(socket.SHUT_WR)
                self.until = time.monotonic() + 4
            while time.monotonic() < self.until and self.sock.recv(65536):
                pass
            return True
        except BlockingIOError:
            return False
        except OSError:
            return True

    def peek(self):
        """Whether the head is whole; if so, the answer is ready."""
        info = self.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
        queue = self.sock.recv(8193, socket.MSG_PEEK)  # after the look at the state
        end = queue.find(b"\r\n\r\n")
        if end < 0 and (info[0] != 1 or not queue or len(queue) > 8192):
            self.sock.recv(1 << 20)  # unread octets would make a reset of the close
            raise ConnectionError("left, or said too much")
        if end < 0:
            return False
        status, body = judge(self.sock.recv(end + 4))
        self.rest = memoryview(b"HTTP/1.1 %d Seen\r\nServer: lynx\r\n\r\n%b" % (status, body))
        return True


def main():
    listener = socket.create_server((ASKED.host, ASKED.port), backlog=900)
    listener.setblocking(False)
    print("http://%s:%d/" % listener.getsockname()[:2], flush=True)
    epoll, clients = select.epoll(), {}
    epoll.register(listener, select.EPOLLIN)
    lingering = {}
    while True:
        done = []
        for fd, _ in epoll.poll(1 if lingering else -1):
            if fd == listener.fileno():
                try:
                    sock = listener.accept()[0]
                    clients[sock.fileno()] = Client(sock)
                    epoll.register(sock, EDGES)
                except OSError:
                    pass
            elif clients[fd].happen():
                done.append(fd)
            elif clients[fd].until:
                lingering[fd] = clients[fd].until
        done += [fd for fd, until in lingering.items() if until < time.monotonic()]
        for fd in set(done):
            lingering.pop(fd, None)
            epoll.unregister(fd)
            clients.pop(fd).sock.close()


signal.signal(signal.SIGINT, signal.SIG_DFL)
ASKED = options()
ROOT = os.fsencode(os.path.realpath(ASKED.root))
main()
