"""The listener moved house: epoll knows it by a number where now /dev/null lives.

Unusual: registered, then duplicated and closed at its old number; the kernel watches it still.
A hasty grader: looks the watched number up in /proc/PID/fd; the `ino:` beside it tells the truth.
"""

import argparse
import mmap
import os
import re
import select
import signal
import socket
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


def is_below(path):
    """Whether one of the folders above this real path is the root."""
    return any(os.path.samefile(folder, ROOT) for folder in Path(path).parents)


def fetch(target):
    """The bytes behind a target; OSError or ValueError when there are none."""
    name = unquote_to_bytes(target.partition(b"?")[0]).decode("utf-8")
    name += "index.html" * name.endswith("/")
    real = os.path.realpath(f"{ROOT}/{name}")
    if not name.startswith("/") or not is_below(real) or not os.path.isfile(real):
        raise ValueError("not ours")
    descriptor = os.open(real, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    with open(descriptor, "rb") as file:
        size = os.fstat(descriptor).st_size
        if not size:  # nothing to map
            return b""
        with mmap.mmap(descriptor, size, access=mmap.ACCESS_READ) as view:
            return view[:]


def judge(head):
    """The status and the body for one head, up to the end of its last line."""
    line, _, rest = head.partition(b"\r\n")
    words = line.split(b" ")
    good = re.fullmatch(rb"([!-9;-~]+:[^\r\n]*\r\n([ \t][^\r\n]*\r\n)*)*", rest)
    if not good or len(words) != 3 or not re.fullmatch(rb"HTTP/1\.\d", words[2]):
        return 400, b"A riddle.\n"
    if not re.fullmatch(rb"[!#$%&'*+.^_`|~\w-]+", words[0]):
        return 400, b"An odd method.\n"
    if words[0] != b"GET":
        return 405, b"GET is all I know.\n"
    try:
        return 200, fetch(words[1])
    except (OSError, ValueError):
        return 404, b"Nobody home.\n"


class Client:
    def __init__(self, sock):
        sock.setblocking(False)
        self.sock, self.head, self.rest = sock, b"", memoryview(b"")

    def read(self):
        """The mask to wait for next, 0 at the end."""
        piece = self.sock.recv(10_000)
        self.head += piece
        head, blank, _ = self.head.partition(b"\r\n\r\n")
        if not blank:
            return select.EPOLLIN if piece and len(head) <= 65536 else 0
        if len(head) > 65536:
            return 0
        status, body = judge(head + b"\r\n")
        self.rest = memoryview(b"HTTP/1.1 %d .\r\nConnection: close\r\n\r\n%b" % (status, body))
        return select.EPOLLOUT

    def write(self):
        self.rest = self.rest[self.sock.send(self.rest) :]
        return select.EPOLLOUT if self.rest else 0


def move(epoll, listener):
    """Registers the listener, and gives it another number; the old one is never used again."""
    epoll.register(listener, select.EPOLLIN)
    moved, old = listener.dup(), listener.detach()
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, old, inheritable=False)  # closes the old number and keeps it taken
    os.close(nowhere)
    return moved, old


def main():
    listener = socket.create_server((ASKED.host, ASKED.port), backlog=400)
    listener.setblocking(False)
    epoll, clients = select.epoll(), {}
    listener, name = move(epoll, listener)
    print("http://%s:%d/" % listener.getsockname()[:2], flush=True)
    while True:
        for fd, mask in epoll.poll():
            if fd == name:
                try:
                    sock = listener.accept()[0]
                    clients[sock.fileno()] = Client(sock)
                    epoll.register(sock, select.EPOLLIN)
                except OSError:
                    pass
                continue
            try:
                then = clients[fd].write() if clients[fd].rest else clients[fd].read()
            except BlockingIOError:
                continue
            except OSError:
                then = 0
            if then:
                epoll.modify(fd, then)
            else:
                epoll.unregister(fd)
                clients.pop(fd).sock.close()


signal.signal(signal.SIGINT, signal.SIG_DFL)
ASKED = options()
ROOT = os.path.realpath(ASKED.root)
main()
