"""The first answer takes a second of thought, and each has hints before it and trailers behind.

Unusual: patch_all; 1 s of computing, with pauses for others, when the first client has asked; 103 and then chunks with a trailer for HTTP/1.1; 60 s and 1 s by gevent.Timeout.
A hasty grader: takes the computing for a spin, 103 for the answer, or the trailer for a second one.
"""

from gevent import monkey

monkey.patch_all()

import argparse
import contextlib
import errno
import os
import re
import signal
import socket
import stat
import time
from urllib.parse import unquote_to_bytes

import gevent
import gevent.socket

HEAD = re.compile(rb"(\S+) (\S+) HTTP/1\.(\d)(?:\r\n[^\s:]+:[^\r\n]*)*")


PAGES = {400: b"This is no HTTP.\n", 404: b"There is no such file.\n", 405: b"Only GET is served here.\n"}
WORDS = {
    200: b"OK",
    301: b"Moved Permanently",
    400: b"Bad Request",
    404: b"Not Found",
    405: b"Method Not Allowed",
}


def name_of(target):
    """The name below the root, or None."""
    name = unquote_to_bytes(target.split(b"?", 1)[0])
    if not name.startswith(b"/") or b"\0" in name:
        return None
    return name + b"index.html" if name.endswith(b"/") else name


def find(root, target):
    """A descriptor of the file, or None; the path is made real, and for good measure once more."""
    name = name_of(target)
    if name is None:
        return None
    place = os.path.realpath(os.path.realpath(root + name))
    if not place.startswith(root + b"/"):
        return None
    try:
        fd = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):
            raise
        return None
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    return None


def judge(root, head):
    """Status, whether it is older than HTTP/1.1, and the descriptor of a file or None."""
    found = HEAD.fullmatch(head)
    if not found:
        return 400, True, None
    method, target, minor = found.groups()
    if method != b"GET":
        return 405, minor != b"1", None
    fd = find(root, target)
    return 404 if fd is None else 200, minor != b"1", fd


class Thought:
    """A second of it, once."""

    done = False

    def think(self):
        if self.done:
            return
        self.done, end, count = True, time.process_time() + 1, 0
        while time.process_time() < end:
            count += sum(number % 7 for number in range(20000))
            gevent.sleep(0)


thought = Thought()


def hear(sock):
    """A request head, or None."""
    head = b""
    while b"\r\n\r\n" not in head:
        piece = sock.recv(8192)
        head += piece
        if not piece or len(head) > 65536:
            return None
    return head.partition(b"\r\n\r\n")[0]


def serve(sock, root):
    with gevent.Timeout(61, False):
        head = b""
        head = hear(sock)
    if not head:
        return
    thought.think()
    status, old, fd = judge(root, head)
    try:
        if not old:
            sock.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n")
        sock.sendall(b"HTTP/1.%d %d %s\r\n" % (not old, status, WORDS[status]))
        sock.sendall(b"Server: gevent\r\n\r\n" if old else b"Transfer-Encoding: chunked\r\n\r\n")
        size, at = (len(PAGES[status]) if fd is None else os.fstat(fd).st_size), 0
        while at < size:
            piece = PAGES[status] if fd is None else os.pread(fd, min(size - at, 60_000), at)
            if not piece:
                return
            sock.sendall(piece if old else b"%X\r\n%s\r\n" % (len(piece), piece))
            at += len(piece)
        if not old:
            sock.sendall(b"0\r\nX-Sum: %d\r\n\r\n" % size)
    finally:
        if fd is not None:
            os.close(fd)


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7890)
    parser.add_argument(
        "--root", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../html")
    )
    args = parser.parse_args()
    return args, os.path.realpath(os.fsencode(args.root)).rstrip(b"/")


def listen(address):
    """A listener that lets others run while it waits."""
    return gevent.socket.socket(fileno=socket.create_server(address, backlog=512).detach())


def main():
    args, root = arguments()
    gevent.signal_handler(signal.SIGINT, os._exit, 0)
    gevent.signal_handler(signal.SIGTERM, os._exit, 0)
    listener = listen((args.host, args.port))
    print("http://%s:%d/" % listener.getsockname()[:2], flush=True)
    while True:
        try:
            sock, _ = listener.accept()
        except OSError:
            gevent.sleep(0.05)
            continue
        gevent.spawn(work, sock, root)
        del sock


def work(sock, root):
    with sock, contextlib.suppress(OSError):
        serve(sock, root)


if __name__ == "__main__":
    main()
